//! A few houses among trees and lawns.

use crate::scenes::geometry::Frame;
use crate::scenes::nature::{Foliage, grove, lawn, open_grass, tree};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, house, pool, road, straight};
use crate::scenes::vehicles::car;
use crate::scenes::words::{a, and, is, number, plural, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    open_grass(p);
    let f = p.frame(6.0);
    let n = p.choose(&[1usize, 1, 2, 2, 3, 4]);
    let name = p.choose(&["red", "gray", "brown", "white", "orange"]);
    let many_trees = p.rng.chance(0.55);
    let street = p.rng.chance(0.65);
    let with_pool = p.rng.chance(0.4);
    let big = n == 1;

    let (width, depth) = if big { (56.0, 36.0) } else { (38.0, 25.0) };
    if street {
        road(p, &straight(&f, 96.0), 18.0, Marking::Dashed);
    }
    let spots: &[(f64, f64)] = match n {
        1 => &[(0.0, 0.0)],
        2 => &[(-46.0, 6.0), (46.0, -6.0)],
        3 => &[(-52.0, 30.0), (46.0, 26.0), (0.0, -52.0)],
        _ => &[(-46.0, 36.0), (46.0, 32.0), (-44.0, -48.0), (44.0, -52.0)],
    };
    for &(x, y) in spots {
        let place = f.child(x + p.between(-5.0, 5.0), y + p.between(-5.0, 5.0), p.between(-0.04, 0.04));
        let plot = lawn(p);
        p.canvas.paint_soft(0, &[place.rect(0.0, 0.0, width + 26.0, depth + 28.0)], 22.0, |q| plot.at(q));
        if street && y > -20.0 {
            let drive = [place.polygon(&[
                (width * 0.22, 0.0),
                (width * 0.22 + 9.0, 0.0),
                (width * 0.22 + 9.0, 88.0 - y),
                (width * 0.22, 88.0 - y),
            ])];
            p.canvas.paint(&drive, |_| [0.66, 0.64, 0.60]);
        }
        house(p, &place, width, depth, name);
        if street && y > -20.0 && p.rng.chance(0.5) {
            car(p, &place.child(width * 0.22 + 4.5, depth / 2.0 + 24.0, 0.25));
        }
    }
    if with_pool {
        let spot = if big { (-6.0, -40.0) } else { (0.0, -8.0) };
        let here = if n == 3 {
            f.child(-34.0, -18.0, 0.0)
        } else {
            f.child(spot.0, spot.1 - if n == 2 { 42.0 } else { 0.0 }, 0.0)
        };
        if p.free(here.origin, 9.0, false) {
            pool(p, &here, if big { 20.0 } else { 13.0 }, if big { 11.0 } else { 8.0 });
        }
    }
    // The last house keeps a tree of its own, so that a lawn is never bare.
    let corner = f.at(-78.0, -70.0);
    if p.inside(corner, 12.0) && p.free(corner, 10.0, false) {
        tree(p, corner, 9.0, Foliage::Green);
    }
    let foliage = p.choose(&[Foliage::Dark, Foliage::Green]);
    let centre: Vec<Frame> = spots.iter().map(|&(x, y)| f.child(x, y, 0.0)).collect();
    grove(p, if many_trees { 70 } else { 7 }, (6.0, 11.0), foliage, |q| {
        centre.iter().all(|house| {
            let local = house.local(q);
            local.x.abs() > width / 2.0 + 13.0 || local.y.abs() > depth / 2.0 + 15.0
        })
    });
    word(p, name, many_trees, street)
}

fn word(p: &mut Painter, name: &str, many_trees: bool, street: bool) -> Vec<String> {
    let n = p.canvas.count("house");
    let be = is(n);
    let roof = format!("{name} {}", if n == 1 { "roof" } else { "roofs" });
    let roof = if n == 1 { a(&roof) } else { roof };
    let (b, c) = (p.counted(n, "house"), p.counted(n, "house"));
    let size = if n == 1 { p.counted(1, "big house") } else { format!("{} {}", number(n), plural("house")) };
    let trees = if many_trees { p.say(&["many trees", "lots of trees"]) } else { p.say(&["a few trees", "few trees"]) };
    let mut extras: Vec<String> = Vec::new();
    if p.canvas.count("pool") > 0 {
        extras.push("a swimming pool".into());
    }
    if street {
        extras.push("a road".into());
    }
    if extras.is_empty() {
        extras.push("a green lawn".into());
    }
    let all = and(&extras);
    let parked = match p.canvas.count("car") {
        0 => String::new(),
        n => format!("with {} parked in front", p.counted(n, "car")),
    };
    vec![
        sentence(&["this is a sparse residential area with", &b, "and", trees]),
        sentence(&["there", be, &c, "with", &roof, "near", &all]),
        sentence(&[&size, "with", &roof, be, if many_trees { "surrounded by trees" } else { "on the open lawn" }]),
        sentence(&[&b, "and", trees, if extras.len() > 1 { "are beside" } else { "are near" }, &all]),
        sentence(&[
            "a sparse residential area with",
            &c,
            if parked.is_empty() { "and" } else { &parked },
            if parked.is_empty() { &all } else { "" },
        ]),
        sentence(&["we can see", &size, "with", &roof, "and", trees]),
    ]
}

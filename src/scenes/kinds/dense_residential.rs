//! Rows of houses close together, along streets.

use crate::scenes::geometry::Frame;
use crate::scenes::nature::{Foliage, grove, lawn, patches};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, house, pool, road, straight};
use crate::scenes::surroundings::traffic;
use crate::scenes::words::{number, plural, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let green = lawn(p);
    p.ground(&green);
    patches(p, [0.60, 0.56, 0.47], 0.16);
    let f = p.frame(10.0);
    let name = p.choose(&["red", "gray", "brown", "orange", "white"]);
    let other = if p.rng.chance(0.35) { p.choose(&["gray", "red", "brown", "white"]) } else { name };
    let many_trees = p.rng.chance(0.5);
    let with_road = p.rng.chance(0.75);
    let pools = p.choose(&[0usize, 0, 1, 2, 3]);

    // Pairs of rows back to back; between the pairs a street or a narrow lane.
    let (plot, depth) = (p.between(27.0, 33.0), p.between(17.0, 20.0));
    let street = if with_road { 15.0 } else { 5.0 };
    let block = 2.0 * (depth + 13.0) + street + 8.0;
    let cars_most = p.choose(&[2, 3, 4]);
    for row in -3..=3 {
        let y = f64::from(row) * block;
        if with_road {
            road(p, &straight(&f, y), street, Marking::Dashed);
        } else {
            p.canvas.paint(&[f.rect(0.0, y, 420.0, street)], |_| [0.60, 0.57, 0.50]);
        }
    }
    for row in -3..=3 {
        for side in [-1.0, 1.0] {
            let y = f64::from(row) * block + side * (street / 2.0 + 7.0 + depth / 2.0);
            let shift = p.between(0.0, plot);
            for k in -6..=6 {
                let x = f64::from(k) * plot + shift;
                let place =
                    f.child(x + p.between(-1.5, 1.5), y + p.between(-1.2, 1.2), if side > 0.0 { 0.0 } else { 0.5 });
                if !p.inside(place.origin, -20.0) {
                    continue;
                }
                let width = plot - p.between(6.0, 9.0);
                let drive = place.rect(width * 0.32, -depth / 2.0 - 4.0, 5.0, 9.0);
                p.canvas.paint(&[drive], |_| [0.64, 0.62, 0.58]);
                let roof = if p.rng.chance(0.5) { name } else { other };
                let depth = depth - p.between(0.0, 2.0);
                house(p, &place, width, depth, roof);
            }
        }
    }
    let backyards = p.scatter(pools, 40.0, 14.0, |p, q| p.free(q, 6.0, false));
    for place in backyards {
        pool(p, &Frame { origin: place, ..f }, 8.5, 5.0);
    }
    if with_road {
        for row in -1..=1 {
            traffic(p, &f, f64::from(row) * block, street, 130.0, cars_most);
        }
    }
    grove(p, if many_trees { 70 } else { 9 }, (3.6, if many_trees { 6.6 } else { 5.0 }), Foliage::Green, |_| true);
    word(p, name, other, many_trees, with_road)
}

fn word(p: &mut Painter, name: &str, other: &str, many_trees: bool, with_road: bool) -> Vec<String> {
    let roofs = if name == other { format!("{name} roofs") } else { format!("{name} and {other} roofs") };
    let pools = p.canvas.count("pool");
    let blue = match pools {
        0 => String::new(),
        1 => p.say(&["a swimming pool", "a blue swimming pool"]).to_string(),
        n => format!("{} {}", number(n), plural("swimming pool")),
    };
    let green =
        if many_trees { p.say(&["many trees", "lots of green trees"]) } else { p.say(&["few trees", "a few trees"]) };
    let street = if with_road { p.say(&["some roads", "straight roads"]) } else { "narrow paths" };
    let many = p.say(&["many", "lots of"]);
    let extra = if blue.is_empty() { green.to_string() } else { blue.clone() };
    vec![
        sentence(&["this is a dense residential area with", many, "houses and", green]),
        sentence(&[many, "houses with", &roofs, "are arranged in rows"]),
        sentence(&["houses with", &roofs, "stand close together with", &extra, "between them"]),
        sentence(&["a dense residential area with", &roofs, "is divided by", street]),
        sentence(&["there are", many, "houses and", green, "beside", street]),
        sentence(&["rows of houses with", &roofs, "and", &extra, "can be seen"]),
    ]
}

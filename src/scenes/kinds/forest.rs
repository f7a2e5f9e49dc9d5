//! Trees crown to crown, with or without a gap: a river, a path, a pond, a clearing.

use crate::scenes::geometry::{Shape, pt};
use crate::scenes::nature::{Foliage, blob, grass, path, pond, tree, water, winding};
use crate::scenes::painter::Painter;
use crate::scenes::words::sentence;

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let floor = p.texture([0.12, 0.18, 0.10], [0.24, 0.29, 0.15], 30.0, 0.25);
    p.ground(&floor);
    let foliage = p.choose(&[Foliage::Dark, Foliage::Green, Foliage::Autumn]);
    let gap = p.choose(&["", "", "river", "path", "pond", "clearing"]);
    let sparse = gap.is_empty() && p.rng.chance(0.4);
    let f = p.frame(20.0);
    let mut clear = Vec::new();
    match gap {
        "river" => {
            let course = winding(p, &f, 26.0);
            let texture = water(p, "dark");
            clear.push(Shape::Stroke(course.clone(), 16.0));
            p.region("river", None, &[Shape::Stroke(course, 12.0)], &texture);
        }
        "path" => {
            let course = winding(p, &f, 26.0);
            clear.push(Shape::Stroke(course.clone(), 7.0));
            path(p, course, 7.0);
        }
        "pond" => {
            let (rx, ry) = (p.between(36.0, 50.0), p.between(28.0, 38.0));
            pond(p, f.origin, rx, ry);
            clear.push(Shape::Stroke(vec![f.origin], rx.max(ry) * 0.98));
        }
        "clearing" => {
            let light = grass(p);
            let open = [blob(p, f.origin, 52.0, 42.0, 0.2)];
            p.region("clearing", None, &open, &light);
            clear.extend(open);
        }
        _ => {}
    }
    if sparse {
        let ground = grass(p);
        p.ground(&ground);
    }
    let spacing = if sparse { p.between(20.0, 24.0) } else { p.between(10.5, 14.5) };
    let steps = (300.0 / spacing) as i64;
    let mut places = Vec::new();
    for row in 0..steps {
        for column in 0..steps {
            let jitter = 0.42 * spacing * if sparse { 1.2 } else { 1.0 };
            places.push(pt(
                column as f64 * spacing - 20.0 + p.between(-jitter, jitter),
                row as f64 * spacing - 20.0 + p.between(-jitter, jitter),
            ));
        }
    }
    p.rng.shuffle(&mut places);
    for place in places {
        let radius = spacing * if sparse { p.between(0.26, 0.40) } else { p.between(0.55, 0.86) };
        if p.inside(place, -radius) && clear.iter().all(|shape| shape.distance(place) > radius * 0.55) {
            tree(p, place, radius, foliage);
        }
    }
    word(p, foliage, gap, sparse)
}

fn word(p: &mut Painter, foliage: Foliage, gap: &str, sparse: bool) -> Vec<String> {
    let colour = match foliage {
        Foliage::Dark => "dark green",
        Foliage::Green => "green",
        Foliage::Autumn => p.say(&["yellow and brown", "brown and yellow"]),
    };
    let kind = if sparse { "sparse" } else { "dense" };
    let many = p.say(&["many", "lots of"]);
    let density = if sparse {
        p.say(&["with grass between them", "on the grass"])
    } else {
        p.say(&["close together", "close to each other"])
    };
    let hole = match gap {
        "river" => p.say(&["a dark river", "a narrow river"]),
        "path" => p.say(&["a path", "a narrow path"]),
        "pond" => p.say(&["a pond", "a small pond"]),
        "clearing" => p.say(&["a clearing", "a green clearing"]),
        _ => "",
    };
    let goes = match gap {
        "river" => format!("{hole} flows through the {kind} forest with {colour} trees"),
        "path" => format!("{hole} goes through the {kind} forest with {colour} trees"),
        "pond" | "clearing" => format!("{hole} is surrounded by the {kind} forest with {colour} trees"),
        _ => format!("the ground is covered by {} {colour} trees", if sparse { "scattered" } else { "dense" }),
    };
    let with = if hole.is_empty() { String::new() } else { format!("and {hole}") };
    vec![
        sentence(&["this is a", kind, "forest with", colour, "trees", &with]),
        sentence(&["there are", many, colour, "trees in the", kind, "forest"]),
        sentence(&[many, colour, "trees grow", density, if hole.is_empty() { "" } else { "around" }, hole]),
        goes,
        sentence(&["a", kind, "forest with", many, "trees", &with, "is shown"]),
        sentence(&["it is a forest of", colour, "trees", density]),
    ]
}

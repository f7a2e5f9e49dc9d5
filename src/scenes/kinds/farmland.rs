//! Fields, as a quilt of rectangles or as circles watered by pivots.

use crate::scenes::geometry::{Frame, Shape, pt};
use crate::scenes::nature::{Foliage, grass, grove, path, soil, tree};
use crate::scenes::noise::{Rgb, scaled, wave};
use crate::scenes::painter::Painter;
use crate::scenes::structures::house;
use crate::scenes::words::{is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let base = if p.rng.chance(0.5) { grass(p) } else { soil(p) };
    p.ground(&base);
    let circles = p.rng.chance(0.3);
    let mut f = p.frame(6.0);
    let mut colours: Vec<&'static str> = vec!["green", "brown", "yellow"];
    p.rng.shuffle(&mut colours);
    colours.truncate(p.choose(&[1, 2, 2, 3]));
    let mut shapes: Vec<(Shape, Frame)> = Vec::new();
    if circles {
        let count = p.choose(&[1usize, 2, 3, 4]);
        f.origin = pt(128.0, 128.0);
        let (radius, places): (f64, &[(f64, f64)]) = match count {
            1 => (104.0, &[(0.0, 0.0)]),
            2 => (58.0, &[(-62.0, 0.0), (62.0, 0.0)]),
            3 => (52.0, &[(-55.0, -36.0), (55.0, -36.0), (0.0, 60.0)]),
            _ => (50.0, &[(-54.0, -54.0), (54.0, -54.0), (-54.0, 54.0), (54.0, 54.0)]),
        };
        for &(x, y) in places {
            shapes.push((f.disc(x, y, radius), f.child(x, y, 0.1)));
        }
    } else {
        let count = p.choose(&[1usize, 2, 3, 4, 5, 6, 12]);
        for (x, y, w, h) in split(p, count) {
            let turned = if p.rng.chance(0.5) { 0.25 } else { 0.0 };
            shapes.push((f.rect(x, y, w - 7.0, h - 7.0), f.child(x, y, turned)));
        }
    }
    for (number, (shape, rows)) in shapes.iter().enumerate() {
        let name = colours[number % colours.len()];
        crop(p, shape, rows, name, circles);
    }
    if circles {
        for (shape, rows) in &shapes {
            if let Shape::Stroke(_, radius) = shape {
                p.canvas.paint(&[rows.line((0.0, 0.0), (radius - 1.0, 0.0), 1.3)], |_| [0.85, 0.85, 0.82]);
            }
        }
    }
    let mut path_seen = false;
    if !circles && p.rng.chance(0.4) {
        let across = f.child(0.0, p.between(-30.0, 30.0), 0.0);
        path(p, vec![across.at(-210.0, 0.0), across.at(210.0, 0.0)], 7.0);
        path_seen = true;
    }
    let mut trees = 0;
    let edges = shapes.len() < 7 && p.rng.chance(0.45);
    if edges {
        let side = p.choose(&[-1.0, 1.0]);
        let line = f;
        let y0 = p.between(102.0, 107.0) * side;
        let places: Vec<_> = (-14..=14)
            .map(|k| line.at(f64::from(k) * 11.0 + p.between(-3.0, 3.0), y0 + p.between(-2.0, 2.0)))
            .collect();
        for place in places {
            if p.inside(place, 2.0) {
                let radius = p.between(4.5, 7.0);
                tree(p, place, radius, Foliage::Dark);
                trees += 1;
            }
        }
    }
    let farm = !edges && !path_seen && p.rng.chance(0.4);
    if farm {
        let yard = f.child(p.between(-30.0, 30.0), p.between(-30.0, 30.0), 0.0);
        // The yard is no part of the fields.
        let dirt = soil(p);
        p.canvas.paint_as(0, &[yard.rect(0.0, 0.0, 62.0, 48.0)], |q| dirt.at(q));
        let name = p.choose(&["red", "gray", "brown"]);
        house(p, &yard.child(-6.0, 2.0, 0.0), 26.0, 16.0, name);
        let centre = yard.origin;
        let planted = grove(p, 14, (3.6, 5.6), Foliage::Green, |q| (q - centre).length() < 30.0);
        trees += planted;
    }
    let seen: Vec<&'static str> = colours.iter().copied().take(shapes.len()).collect();
    let beside = match (farm, trees >= 4, path_seen) {
        (true, true, _) => p.say(&["with a house and some trees", "near a house"]),
        (true, ..) => p.say(&["with a house", "near a house"]),
        (_, true, _) => p.say(&["beside a row of trees", "with trees in a row"]),
        (_, _, true) => p.say(&["with a path through them", "beside a straight path"]),
        _ => "",
    };
    word(p, circles, &seen, beside)
}

/// Cuts the square around the origin into `count` rectangles: middle x and y, width, height.
fn split(p: &mut Painter, count: usize) -> Vec<(f64, f64, f64, f64)> {
    let side = if count > 6 { 340.0 } else { 218.0 };
    let mut parts: Vec<(f64, f64, f64, f64)> = vec![(0.0, 0.0, side, if count > 6 { side } else { 196.0 })];
    while parts.len() < count {
        parts.sort_by(|a, b| (a.2 * a.3).total_cmp(&(b.2 * b.3)));
        let Some((x, y, w, h)) = parts.pop() else { break };
        let cut = p.between(0.42, 0.58);
        if w > h {
            parts.push((x - w * (1.0 - cut) / 2.0, y, w * cut, h));
            parts.push((x + w * cut / 2.0, y, w * (1.0 - cut), h));
        } else {
            parts.push((x, y - h * (1.0 - cut) / 2.0, w, h * cut));
            parts.push((x, y + h * cut / 2.0, w, h * (1.0 - cut)));
        }
    }
    parts
}

fn crop(p: &mut Painter, shape: &Shape, rows: &Frame, name: &'static str, circle: bool) {
    let colour: Rgb = match name {
        "green" => p.choose(&[[0.28, 0.43, 0.18], [0.34, 0.50, 0.22], [0.24, 0.39, 0.20]]),
        "brown" => p.choose(&[[0.48, 0.36, 0.26], [0.42, 0.31, 0.23], [0.54, 0.41, 0.30]]),
        _ => p.choose(&[[0.78, 0.68, 0.36], [0.72, 0.62, 0.33], [0.82, 0.73, 0.45]]),
    };
    let period = p.between(3.5, 6.5);
    let strength = p.between(0.10, 0.24);
    let mut texture = p.texture(scaled(colour, 0.9), scaled(colour, 1.12), 42.0, 0.14);
    if !circle {
        texture = texture.striped(*rows, period, strength);
    }
    let label = p.canvas.object("field", Some(name), None);
    let centre = rows.origin;
    p.canvas.paint_as(label, std::slice::from_ref(shape), |q| {
        let rings = if circle { 0.14 * (wave((q - centre).length() / (period * 1.6)) - 0.5) } else { 0.0 };
        scaled(texture.at(q), 1.0 + rings)
    });
}

fn word(p: &mut Painter, circles: bool, colours: &[&str], beside: &str) -> Vec<String> {
    let n = p.canvas.count("field");
    let shape = if circles { "circular" } else { "rectangular" };
    let tint = if colours.len() > 2 { "colorful".to_string() } else { colours.join(" and ") };
    let field = format!("{shape} field");
    let be = is(n);
    let (a, b, c) = (p.counted(n, &field), p.counted(n, &field), p.counted(n, &format!("{tint} field")));
    let beside = if n == 1 { beside.replace("them", "it") } else { beside.to_string() };
    let order = match (circles, n) {
        (_, 1) => "in the farmland",
        (true, _) => p.say(&["close to each other", "with pivots"]),
        (false, _) => p.say(&["arranged neatly", "side by side"]),
    };
    let fallback = if beside.is_empty() { "on the plain" } else { &beside };
    vec![
        sentence(&["this is a piece of", &tint, "farmland with", &a]),
        sentence(&["there", be, &b, order, fallback]),
        sentence(&["the farmland has", &c, fallback]),
        sentence(&["a piece of farmland with", &tint, "crops", fallback]),
        sentence(&[&a, be, "covered by", &tint, "crops", &beside]),
        sentence(&["the", &tint, if n == 1 { "farmland has" } else { "farmland is divided into" }, &b]),
    ]
}

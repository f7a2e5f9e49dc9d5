//! One to four baseball fields, with stands or neighbours.

use crate::scenes::geometry::{Frame, Shape};
use crate::scenes::nature::{lawn, open_grass};
use crate::scenes::noise::scaled;
use crate::scenes::painter::Painter;
use crate::scenes::structures::WHITE;
use crate::scenes::surroundings::{Neighbour, near, surround};
use crate::scenes::words::{is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    open_grass(p);
    let f = p.frame(4.0);
    let count = p.choose(&[1, 1, 1, 2, 2, 4]);
    let size = match count {
        1 => Some("large"),
        2 => None,
        _ => Some("small"),
    };
    let track = p.rng.chance(0.5);
    let half = match count {
        1 => {
            let radius = p.between(120.0, 140.0);
            field(p, &f.child(0.0, -radius * 0.55, 0.0), radius, size, track);
            (radius * 0.72, radius * 0.55)
        }
        2 => {
            for (x, turns) in [(-78.0, -0.25), (78.0, 0.25)] {
                field(p, &f.child(x, 0.0, turns), 76.0, size, track);
            }
            (90.0, 58.0)
        }
        _ => {
            for quarter in 0..4 {
                let corner = f.child(0.0, 0.0, f64::from(quarter) / 4.0);
                field(p, &corner.child(0.0, 16.0, 0.0), 74.0, size, track);
            }
            (94.0, 94.0)
        }
    };
    let choices: &[Neighbour] =
        if count == 4 { &[Neighbour::Trees] } else { &[Neighbour::Road, Neighbour::Trees, Neighbour::Buildings] };
    let beside = surround(p, &f, half, choices);
    word(p, size, track, &beside)
}

/// A field whose home plate is the origin and which opens along the y axis.
fn field(p: &mut Painter, f: &Frame, radius: f64, size: Option<&'static str>, track: bool) {
    let sector = |r: f64, grow: f64| {
        let mut corners = vec![f.at(0.0, -grow)];
        corners.extend(f.arc(0.0, 0.0, r, 0.125 - grow * 0.002, 0.375 + grow * 0.002));
        Shape::Polygon(corners)
    };
    let turf = lawn(p).striped(f.child(0.0, 0.0, 0.125), radius / 7.0, 0.10);
    let clay = p.choose(&[[0.66, 0.47, 0.33], [0.72, 0.56, 0.41], [0.62, 0.42, 0.30]]);
    let clay = p.texture(clay, scaled(clay, 1.12), 20.0, 0.12);
    let label = p.canvas.object("baseball field", None, size);
    if track {
        p.canvas.paint_as(label, &[sector(radius, radius * 0.05)], |q| clay.at(q));
        p.canvas.paint_as(label, &[sector(radius * 0.94, 0.0)], |q| turf.at(q));
    } else {
        p.canvas.paint_as(label, &[sector(radius, radius * 0.03)], |q| turf.at(q));
    }
    let base = radius * 0.30; // between two bases
    let reach = base * 1.41;
    let mut infield = vec![f.at(0.0, 0.0)];
    infield.extend(f.arc(0.0, reach * 0.47, base * 1.12, 0.02, 0.48));
    p.canvas.paint_soft(0, &[Shape::Polygon(infield), f.disc(0.0, 0.0, radius * 0.085)], 1.5, |q| clay.at(q));
    let square = f.child(0.0, 0.0, 0.125).rect(base * 0.52, base * 0.52, base * 0.74, base * 0.74);
    p.canvas.paint(&[square], |q| turf.at(q));
    p.canvas.paint(&[f.disc(0.0, reach * 0.48, radius * 0.035)], |q| clay.at(q));
    let corner = f.child(0.0, 0.0, 0.125);
    let thin = (radius * 0.009).max(0.7);
    p.canvas.paint(
        &[corner.line((0.0, 0.0), (radius * 0.94, 0.0), thin), corner.line((0.0, 0.0), (0.0, radius * 0.94), thin)],
        |_| WHITE,
    );
    for (x, y) in [(base, 0.0), (0.0, base), (base, base), (0.0, 0.0)] {
        p.canvas.paint(&[corner.rect(x, y, radius * 0.028, radius * 0.028)], |_| [0.96, 0.96, 0.96]);
    }
}

fn word(p: &mut Painter, size: Option<&str>, track: bool, beside: &[String]) -> Vec<String> {
    let n = p.canvas.count("baseball field");
    let noun = sentence(&[size.unwrap_or(""), p.say(&["baseball field", "baseball diamond"])]);
    let plain = p.say(&["baseball field", "baseball diamond"]);
    let be = is(n);
    let (a, b, c, d) = (p.counted(n, &noun), p.counted(n, plain), p.counted(n, &noun), p.counted(n, plain));
    let (x, y, z) = (near(p, beside), near(p, beside), near(p, beside));
    let ground = if track { "with a brown track" } else { "with green turf" };
    let order = match n {
        1 => "",
        2 => p.say(&["face to face", "opposite each other"]),
        _ => p.say(&["around the center", "back to back"]),
    };
    vec![
        sentence(&["there", be, &a, ground, if n > 1 { order } else { &x }]),
        sentence(&[&b, be, order, "on the lawn", &y]),
        sentence(&["it is", if n == 1 { "" } else { "a sports ground with" }, &c, if n == 1 { ground } else { order }]),
        sentence(&["we can see", &d, ground, &z]),
        sentence(&[
            &c,
            ground,
            be,
            "built",
            order,
            if n > 1 {
                ""
            } else if beside.is_empty() {
                "on the grass"
            } else {
                &y
            },
        ]),
        sentence(&["this picture shows", &a, order, if beside.is_empty() { "on a green lawn" } else { &x }]),
    ]
}

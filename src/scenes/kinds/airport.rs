//! Airplanes on an apron, with a terminal or a runway.

use crate::scenes::geometry::Shape;
use crate::scenes::nature::grass;
use crate::scenes::noise::scaled;
use crate::scenes::painter::Painter;
use crate::scenes::structures::{WHITE, YELLOW, asphalt, building, concrete};
use crate::scenes::vehicles::airplane;
use crate::scenes::words::{is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let green = grass(p);
    p.ground(&green);
    let f = p.frame(5.0);
    let (terminal, runway) = p.choose(&[(true, false), (true, false), (false, true), (false, false), (true, true)]);

    let paving = concrete(p);
    let (low, high) = (if runway { -66.0 } else { -210.0 }, 210.0);
    let apron = [f.rect(0.0, (low + high) / 2.0, 420.0, high - low)];
    let label = p.canvas.object("apron", None, None);
    p.canvas.paint_as(label, &apron, |q| {
        let local = f.local(q);
        let joint = |v: f64| ((v / 16.0) - (v / 16.0).floor()) < 0.05;
        scaled(paving.at(q), if joint(local.x) || joint(local.y) { 0.93 } else { 1.0 })
    });
    if runway {
        let tar = asphalt(p);
        p.region("runway", None, &[f.rect(0.0, -98.0, 420.0, 36.0)], &tar);
        let bars: Vec<_> = (-8..8).map(|bar| f.rect(f64::from(bar) * 26.0 + 13.0, -98.0, 14.0, 1.8)).collect();
        p.canvas.paint(&bars, |_| WHITE);
        p.canvas.paint(&[f.rect(0.0, -114.0, 420.0, 1.2), f.rect(0.0, -82.0, 420.0, 1.2)], |_| WHITE);
    }
    if terminal {
        let place = f.child(0.0, 102.0, 0.0);
        let name = p.choose(&["white", "gray"]);
        building(p, &place, 330.0, 40.0, 12.0, name);
    }

    let rows = p.rng.chance(0.55);
    let mut poses = Vec::new(); // frames of the airplanes
    let (length, size);
    if rows {
        let per_row = p.rng.range(2, 5) as usize;
        let two = p.rng.chance(0.35) && !runway;
        length = if per_row <= 3 && !two { 54.0 } else { 40.0 };
        size = None;
        let gap = length * 1.08;
        p.canvas.paint(&[f.rect(0.0, 8.0, 420.0, 1.2)], |_| YELLOW);
        for row in 0..if two { 2 } else { 1 } {
            let y = if two { [-34.0, 46.0][row] } else { 44.0 - (length - 40.0) };
            for k in 0..per_row {
                let x = (k as f64 - (per_row as f64 - 1.0) / 2.0) * gap;
                let lead = [f.rect(x, y - 24.0 * if row == 0 && two { -1.0 } else { 1.0 }, 1.0, 40.0)];
                p.canvas.paint(&lead, |_| YELLOW);
                poses.push(f.child(x, y, if row == 0 && two { 0.75 } else { 0.25 }));
            }
        }
    } else {
        let count = p.choose(&[1, 1, 2, 3, 4, 5, 6, 7]);
        (length, size) = match count {
            1 | 2 => (88.0, Some("large")),
            3 | 4 => (52.0, None),
            _ => (32.0, Some("small")),
        };
        for y in [-46.0, 30.0] {
            p.canvas.paint(&[f.line((-210.0, y), (210.0, y), 1.1)], |_| YELLOW);
        }
        let turn = f.arc(20.0, -8.0, 38.0, 0.25, 0.75);
        p.canvas.paint(&[Shape::Stroke(turn, 0.55)], |_| YELLOW);
        let clear = move |p: &Painter, q| {
            let local = f.local(q);
            local.y < 72.0 - length * if terminal { 0.5 } else { 0.0 }
                && (!runway || local.y > -60.0 + length * 0.5)
                && p.inside(q, 0.0)
        };
        let margin = length * 0.53;
        for place in p.scatter(count, length * 1.06, margin, clear) {
            let turned = p.rng.unit();
            let mut pose = f.child(0.0, 0.0, turned);
            pose.origin = place;
            poses.push(pose);
        }
    }
    if rows && terminal {
        // Passenger bridges from the terminal to the doors of the nearer row.
        for pose in poses.iter().filter(|pose| pose.axis.dot(f.axis.normal()) > 0.9) {
            let nose = f.local(pose.origin);
            let bridge = [f.line((nose.x - 9.0, 84.0), (nose.x - 3.0, nose.y + length * 0.36), 4.0)];
            p.shadow(&bridge, 4.0);
            p.canvas.paint(&bridge, |_| [0.80, 0.80, 0.79]);
        }
    }
    for pose in &poses {
        airplane(p, pose, length, size);
    }
    let n = p.canvas.count("airplane");
    word(p, n, size, rows, terminal, runway)
}

fn word(p: &mut Painter, n: usize, size: Option<&str>, rows: bool, terminal: bool, runway: bool) -> Vec<String> {
    let noun = sentence(&[size.unwrap_or(""), "airplane"]);
    let noun2 = sentence(&[size.unwrap_or(""), "white airplane"]);
    let order = match (rows, n) {
        (_, 1) => "",
        (true, _) => p.say(&["neatly", "in rows", "side by side"]),
        (false, _) => p.say(&["in different directions", "separately"]),
    };
    let place = match (terminal, runway) {
        (true, true) => p.say(&["between the terminal and the runway", "near a terminal and a runway"]),
        (true, false) => p.say(&["beside the terminal building", "near a long terminal", "next to the terminal"]),
        (false, true) => p.say(&["beside a runway", "near the runway"]),
        (false, false) => p.say(&["on the open apron", "on the gray apron"]),
    };
    let be = is(n);
    let (a, b, c, d, e) =
        (p.counted(n, &noun), p.counted(n, &noun2), p.counted(n, &noun), p.counted(n, &noun2), p.counted(n, &noun));
    let with = match (terminal, runway) {
        (true, true) => "with a terminal and a runway",
        (true, false) => "with a terminal building",
        (false, true) => "with a runway",
        (false, false) => "with a wide apron",
    };
    vec![
        sentence(&[&a, be, "parked", order, "at the airport", with]),
        sentence(&["there", be, &b, "parked", order, place]),
        sentence(&[&c, be, "stopped", order, place]),
        sentence(&["it is an airport with", &d, place]),
        sentence(&["an airport", with, "and", &e, "on it"]),
        sentence(&["this is a part of an airport where", &b, be, "parked", order]),
    ]
}

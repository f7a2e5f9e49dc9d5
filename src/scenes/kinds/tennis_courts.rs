//! Tennis courts side by side.

use crate::scenes::geometry::Frame;
use crate::scenes::nature::open_grass;
use crate::scenes::noise::{Rgb, scaled};
use crate::scenes::painter::Painter;
use crate::scenes::surroundings::{Neighbour, near, surround};
use crate::scenes::words::{is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    open_grass(p);
    let f = p.frame(5.0);
    let name = p.choose(&["blue", "green", "red"]);
    let margin_name = p.choose(&["green", "red", "blue", "gray"]);
    let margin_name = if margin_name == name { "gray" } else { margin_name };
    let count = p.choose(&[1usize, 2, 3, 4, 5, 6, 8]);
    let columns = match count {
        1 => 1,
        2 | 4 => 2,
        3 | 6 => 3,
        8 => 4,
        _ => 5,
    };
    let rows = count / columns;
    let length = match columns {
        1 => 118.0,
        2 => 92.0,
        3 => 76.0,
        4 => 64.0,
        _ => 62.0,
    };
    let (wide, long) = (length * 0.58, length * 1.28);
    let size = (count == 1).then_some("large");
    let half = (columns as f64 * wide / 2.0 + 3.0, rows as f64 * long / 2.0 + 3.0);
    let surround_colour = paint(p, margin_name);
    let surface = p.texture(scaled(surround_colour, 0.95), scaled(surround_colour, 1.05), 40.0, 0.06);
    p.canvas.paint_soft(0, &[f.rect(0.0, 0.0, half.0 * 2.0 + 3.0, half.1 * 2.0 + 3.0)], 1.0, |_| [0.62, 0.61, 0.58]);
    p.canvas.paint(&[f.rect(0.0, 0.0, half.0 * 2.0, half.1 * 2.0)], |q| surface.at(q));
    let colour = paint(p, name);
    for row in 0..rows {
        for column in 0..columns {
            let x = (column as f64 - (columns as f64 - 1.0) / 2.0) * wide;
            let y = (row as f64 - (rows as f64 - 1.0) / 2.0) * long;
            court(p, &f.child(x, y, 0.25), length, colour, name, size);
        }
    }
    let fence = [f.line((-half.0, -half.1), (half.0, -half.1), 0.8), f.line((-half.0, half.1), (half.0, half.1), 0.8)];
    p.shadow(&fence, 4.0);
    p.canvas.paint(&fence, |_| [0.35, 0.38, 0.36]);
    let beside =
        surround(p, &f, (half.0 + 3.0, half.1 + 3.0), &[Neighbour::Road, Neighbour::Trees, Neighbour::Buildings]);
    word(p, name, margin_name, rows, &beside)
}

fn paint(p: &mut Painter, name: &str) -> Rgb {
    match name {
        "blue" => p.choose(&[[0.22, 0.40, 0.62], [0.26, 0.42, 0.70]]),
        "green" => p.choose(&[[0.22, 0.46, 0.34], [0.28, 0.50, 0.36]]),
        "red" => p.choose(&[[0.62, 0.30, 0.24], [0.68, 0.36, 0.28]]),
        _ => [0.56, 0.57, 0.57],
    }
}

/// A court with its lines and net, its long side along the x axis. Labelled "tennis court".
fn court(p: &mut Painter, f: &Frame, length: f64, colour: Rgb, name: &'static str, size: Option<&'static str>) {
    let unit = length / 23.77; // metres of a court
    let texture = p.texture(scaled(colour, 0.96), scaled(colour, 1.06), 30.0, 0.06);
    let label = p.canvas.object("tennis court", Some(name), size);
    p.canvas.paint_as(label, &[f.rect(0.0, 0.0, length + 1.0, 10.97 * unit + 1.0)], |q| texture.at(q));
    let (l, w, singles, service) = (length / 2.0, 5.485 * unit, 4.115 * unit, 6.4 * unit);
    let thin = (unit * 0.28).max(0.85);
    let mut lines = Vec::new();
    for y in [-w, -singles, singles, w] {
        lines.push(f.line((-l, y), (l, y), thin));
    }
    for x in [-l, l] {
        lines.push(f.line((x, -w), (x, w), thin));
    }
    for x in [-service, service] {
        lines.push(f.line((x, -singles), (x, singles), thin));
    }
    lines.push(f.line((-service, 0.0), (service, 0.0), thin));
    p.canvas.paint(&lines, |_| [0.93, 0.93, 0.91]);
    let net = [f.line((0.0, -w - 1.0), (0.0, w + 1.0), 0.9)];
    p.shadow(&net, 2.2);
    p.canvas.paint(&net, |_| [0.20, 0.22, 0.24]);
}

fn word(p: &mut Painter, name: &str, margin: &str, rows: usize, beside: &[String]) -> Vec<String> {
    let n = p.canvas.count("tennis court");
    let be = is(n);
    let noun = format!("{name} tennis court");
    let (a, b, c) = (p.counted(n, &noun), p.counted(n, "tennis court"), p.counted(n, &noun));
    let (x, y) = (near(p, beside), near(p, beside));
    let order = match (n, rows) {
        (1, _) => "lying on the grass",
        (_, 1) => p.say(&["side by side", "arranged in a row"]),
        _ => p.say(&["arranged in two rows", "in two rows"]),
    };
    vec![
        sentence(&["there", be, &a, order, &x]),
        sentence(&[&b, be, "surrounded by", margin, "ground", &y]),
        sentence(&["this picture shows", &c, order]),
        sentence(&[
            &a,
            "with white lines",
            be,
            if n == 1 { "built" } else { "arranged neatly" },
            if beside.is_empty() { "on the grass" } else { &y },
        ]),
        sentence(&["we can see", &b, "on", margin, "ground", &x]),
        sentence(&["it is a sports ground with", &c, if n == 1 { "" } else { order }, if n == 1 { &x } else { "" }]),
    ]
}

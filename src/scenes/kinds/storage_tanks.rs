//! Round tanks on lawn, bare ground or concrete.

use crate::scenes::geometry::{Frame, disc};
use crate::scenes::nature::{lawn, soil};
use crate::scenes::noise::{Rgb, scaled};
use crate::scenes::painter::Painter;
use crate::scenes::structures::concrete;
use crate::scenes::surroundings::{Neighbour, near, surround};
use crate::scenes::words::{is, number, plural, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let floor = p.choose(&["lawn", "bare ground", "concrete ground"]);
    let ground = match floor {
        "lawn" => lawn(p),
        "concrete ground" => concrete(p),
        _ => soil(p),
    };
    p.ground(&ground);
    let f = p.frame(4.0);
    let name = p.choose(&["white", "white", "gray", "blue"]);
    let count = p.choose(&[1usize, 2, 3, 4, 5, 6, 8, 9]);
    let mixed = (3..=6).contains(&count) && p.rng.chance(0.45);

    let columns = match count {
        1 => 1,
        2 | 4 => 2,
        3 => p.choose(&[2, 3]),
        5 | 6 | 9 => 3,
        _ => 4,
    };
    let rows = count.div_ceil(columns);
    let radius: f64 = match columns {
        1 => 44.0,
        2 => 30.0,
        3 => 23.0,
        _ => 18.0,
    };
    let gap = radius * 2.0 + p.between(10.0, 15.0);
    let half = (columns as f64 * gap / 2.0 + 4.0, rows as f64 * gap / 2.0 + 4.0);
    if p.rng.chance(0.5) {
        // A low wall that would hold a spill.
        let yard = concrete(p);
        p.canvas.paint(&[f.rect(0.0, 0.0, half.0 * 2.0, half.1 * 2.0)], |_| [0.74, 0.72, 0.68]);
        p.canvas.paint(&[f.rect(0.0, 0.0, half.0 * 2.0 - 3.0, half.1 * 2.0 - 3.0)], |q| scaled(yard.at(q), 0.9));
    }
    let small = if mixed { p.rng.range(1, count as i64 - 1) as usize } else { 0 };
    let mut order: Vec<usize> = (0..count).collect();
    p.rng.shuffle(&mut order);
    for (place, &rank) in order.iter().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let in_row = columns.min(count - row * columns);
        let x = (column as f64 - (in_row as f64 - 1.0) / 2.0) * gap;
        let y = (row as f64 - (rows as f64 - 1.0) / 2.0) * gap;
        let here = f.child(x, y, p.rng.unit());
        let size = match (mixed, rank < small) {
            (false, _) => None,
            (true, true) => Some("small"),
            (true, false) => Some("large"),
        };
        p.canvas.paint(&[f.line((x, y), (x, half.1 + 2.0), 2.0)], |_| [0.62, 0.62, 0.62]);
        tank(p, &here, if rank < small && mixed { radius * 0.6 } else { radius }, name, size);
    }
    p.canvas.paint(&[f.line((-half.0, half.1 + 2.0), (half.0, half.1 + 2.0), 2.4)], |_| [0.66, 0.66, 0.66]);
    let beside =
        surround(p, &f, (half.0 + 4.0, half.1 + 6.0), &[Neighbour::Road, Neighbour::Trees, Neighbour::Buildings]);
    let ring = rows == 1 && count > 1;
    word(p, name, floor, mixed, ring, &beside)
}

/// A tank seen from above: its wall's shadow, a roof lit like a flat cone, seams, a stair. Labelled "tank".
fn tank(p: &mut Painter, f: &Frame, radius: f64, name: &'static str, size: Option<&'static str>) {
    let centre = f.origin;
    let shape = [disc(centre, radius)];
    p.canvas.paint_soft(0, &[disc(centre, radius + 2.5)], 2.0, |_| [0.50, 0.48, 0.45]);
    p.shadow(&shape, radius * 0.45 + 5.0);
    let colour: Rgb = match name {
        "white" => [0.92, 0.92, 0.90],
        "gray" => [0.60, 0.61, 0.62],
        _ => [0.44, 0.57, 0.68],
    };
    let label = p.canvas.object("tank", Some(name), size);
    let sun = p.sun.unit();
    p.canvas.paint_as(label, &shape, |_| scaled(colour, 0.74));
    let texture = p.texture(scaled(colour, 0.96), scaled(colour, 1.03), 12.0, 0.05);
    p.canvas.paint(&[disc(centre, radius - 1.3)], |q| {
        let away = q - centre;
        scaled(texture.at(q), 1.0 - 0.12 * away.unit().dot(sun))
    });
    let plates: Vec<_> = (0..8)
        .map(|k| f.child(0.0, 0.0, f64::from(k) / 8.0).line((radius * 0.2, 0.0), (radius - 1.5, 0.0), 0.5))
        .collect();
    p.canvas.paint(&plates, |_| scaled(colour, 0.86));
    p.canvas.paint(&[disc(centre, radius * 0.12 + 0.5)], |_| scaled(colour, 0.7));
    p.canvas.paint(&[f.line((radius * 0.1, 0.0), (radius + 1.5, 0.0), 1.6)], |_| [0.45, 0.45, 0.45]);
}

fn word(p: &mut Painter, name: &str, floor: &str, mixed: bool, single_row: bool, beside: &[String]) -> Vec<String> {
    let n = p.canvas.count("tank");
    let be = is(n);
    let noun = format!("{name} storage tank");
    let (a, b, c) = (p.counted(n, &noun), p.counted(n, "storage tank"), p.counted(n, &noun));
    let (x, y) = (near(p, beside), near(p, beside));
    let order = match (n, single_row) {
        (1, _) => "standing",
        (_, true) => p.say(&["arranged in a row", "in a line"]),
        _ => p.say(&["arranged neatly", "close to each other"]),
    };
    let sizes = if mixed {
        let of = |p: &Painter, size: &str| p.canvas.count_sized("tank", size);
        let (large, small) = (of(p, "large"), of(p, "small"));
        let part = |n: usize, noun: &str| {
            let phrase = if n == 1 { noun.to_string() } else { plural(noun) };
            format!("{} {phrase}", number(n))
        };
        format!("{} and {}", part(large, "large tank"), part(small, "small tank"))
    } else if n > 1 {
        format!("{} equal tanks", number(n))
    } else {
        "one big round tank".to_string()
    };
    vec![
        sentence(&[&a, be, "on the", floor, &x]),
        sentence(&["there", be, &b, order, "on the", floor]),
        sentence(&["there", if sizes.starts_with("one") { "is" } else { "are" }, &sizes, "on the", floor]),
        sentence(&["we can see", &c, order, if beside.is_empty() { "there" } else { &y }]),
        sentence(&[&sizes, be, "built on the", floor, &y]),
        sentence(&["the", floor, "has", &b, order, &x]),
    ]
}

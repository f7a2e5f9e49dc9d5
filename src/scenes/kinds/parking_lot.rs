//! Rows of marked places, full, half empty or empty.

use crate::scenes::nature::open_grass;
use crate::scenes::painter::Painter;
use crate::scenes::structures::{WHITE, asphalt};
use crate::scenes::surroundings::{Neighbour, near, surround};
use crate::scenes::vehicles::car;
use crate::scenes::words::{is, number, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    open_grass(p);
    let f = p.frame(5.0);
    let rows = p.choose(&[1usize, 2, 3, 4, 5, 6]);
    let fill = p.choose(&[0.06, 0.12, 0.5, 0.5, 0.95, 0.95, 0.95]);
    let places = p.rng.range(15, 19);
    let (slot, deep, aisle) = (8.0, 14.5, 17.0);

    // Rows stand in pairs, nose to nose, with an aisle between the pairs.
    let lines: Vec<f64> = {
        let mut y = 0.0;
        let mut at = Vec::new();
        for row in 0..rows {
            at.push(y + deep / 2.0);
            y += deep + if row % 2 == 0 && row + 1 < rows && rows > 1 { 0.0 } else { aisle };
        }
        let middle = (y - aisle) / 2.0;
        at.iter().map(|v| v - middle).collect()
    };
    let height = lines.last().copied().unwrap_or(0.0) * 2.0 + deep + aisle * if rows == 1 { 2.0 } else { 1.6 };
    let width = places as f64 * slot + 30.0;
    let tar = asphalt(p);
    p.canvas.paint_soft(0, &[f.rect(0.0, 0.0, width + 5.0, height + 5.0)], 1.2, |_| [0.68, 0.66, 0.62]);
    p.region("parking lot", None, &[f.rect(0.0, 0.0, width, height)], &tar);
    for (row, &y) in lines.iter().enumerate() {
        let mut marks = Vec::new();
        for place in 0..=places {
            let x = (place as f64 - places as f64 / 2.0) * slot;
            marks.push(f.rect(x, y, 0.8, deep));
        }
        if row % 2 == 1 {
            marks.push(f.rect(0.0, y - deep / 2.0, places as f64 * slot, 0.8));
        }
        p.canvas.paint(&marks, |_| WHITE);
        for place in 0..places {
            let x = (place as f64 + 0.5 - places as f64 / 2.0) * slot + p.between(-0.5, 0.5);
            let nose = if p.rng.chance(0.75) ^ (row % 2 == 0) { 0.25 } else { 0.75 };
            if p.rng.chance(fill) {
                let here = f.child(x, y + p.between(-0.9, 0.9), nose + p.between(-0.006, 0.006));
                car(p, &here);
            }
        }
    }
    let beside = surround(
        p,
        &f,
        (width / 2.0, height / 2.0),
        if rows > 4 { &[Neighbour::Trees] } else { &[Neighbour::Road, Neighbour::Trees, Neighbour::Buildings] },
    );
    word(p, rows, fill, &beside)
}

fn word(p: &mut Painter, rows: usize, fill: f64, beside: &[String]) -> Vec<String> {
    // Cars on a road beside it would be counted with those that are parked.
    let n = p.canvas.count("car");
    let exact = !beside.iter().any(|neighbour| neighbour == "a road");
    let cars = match n {
        0 => "no cars".to_string(),
        10.. => format!("{} cars", p.say(&["many", "lots of"])),
        _ if exact => p.counted(n, "car"),
        _ => "some cars".to_string(),
    };
    let be = if exact && n == 1 { is(1) } else { "are" };
    let line = if rows == 1 { "one row".to_string() } else { format!("{} rows", number(rows)) };
    let (free, state) = match fill {
        f if f > 0.9 => (p.say(&["no free spaces", "few free spaces"]), "full"),
        f if f > 0.4 => (p.say(&["some empty spaces", "some free spaces"]), "half full"),
        _ => (p.say(&["many empty spaces", "many free spaces"]), "almost empty"),
    };
    let (x, y) = (near(p, beside), near(p, beside));
    vec![
        sentence(&["there", be, &cars, "parked in the parking lot with", free]),
        sentence(&["this is a parking lot with", &line, "of parking spaces", &x]),
        sentence(&[&cars, be, "parked neatly in", &line, &y]),
        sentence(&["the parking lot is", state, "with", &cars, "in it"]),
        sentence(&["a parking lot with", &cars, "and", free, &x]),
        sentence(&[
            "it is",
            if state == "full" {
                "a full"
            } else if state == "half full" {
                "a half full"
            } else {
                "an almost empty"
            },
            "parking lot",
            if beside.is_empty() { "on the grass" } else { &y },
        ]),
    ]
}

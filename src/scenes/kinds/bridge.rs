//! A river under one or two bridges.

use crate::scenes::geometry::{Frame, Shape};
use crate::scenes::nature::{Foliage, grove, open_grass, water, winding};
use crate::scenes::noise::{scaled, value};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, fits_inside, house, road, straight};
use crate::scenes::surroundings::traffic;
use crate::scenes::words::{a, counted, is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    open_grass(p);
    let f = p.frame(8.0);
    let colour = p.choose(&["blue", "green", "brown", "dark"]);
    let bank = p.choose(&["trees", "meadow", "houses", "trees"]);
    let two = p.rng.chance(0.3);
    let wide = p.rng.chance(0.5);
    let half = if wide { p.between(42.0, 52.0) } else { p.between(20.0, 28.0) };
    let swing = p.between(4.0, 16.0);
    let course = winding(p, &f, swing);

    let river = [Shape::Stroke(course.clone(), half)];
    p.canvas.paint_soft(0, &[Shape::Stroke(course.clone(), half + 5.0)], 7.0, |q| {
        scaled([0.52, 0.46, 0.34], 0.85 + 0.3 * value(3, q.x / 2.0, q.y / 2.0))
    });
    let texture = water(p, colour);
    p.region("river", Some(colour), &river, &texture);

    let mut cars = 0;
    let places: &[f64] = if two { &[-46.0, 44.0] } else { &[0.0] };
    for &x in places {
        let skew = p.between(-0.03, 0.03);
        let across = f.child(x + p.between(-6.0, 6.0), 0.0, 0.25 + skew);
        cars += span(p, &across, half + swing + 12.0, two);
    }
    let away = |q| river[0].distance(q);
    match bank {
        "trees" => {
            grove(p, 90, (6.0, 11.0), Foliage::Green, |q| away(q) > 13.0);
        }
        "houses" => {
            for _ in 0..120 {
                let spot = p.frame(126.0);
                let place = Frame { axis: f.axis, ..spot };
                if away(place.origin) > 24.0
                    && p.free(place.origin, 21.0, false)
                    && fits_inside(p, &place, 20.0, 14.0, 0.0)
                {
                    let name = p.choose(&["red", "brown", "gray"]);
                    house(p, &place, 24.0, 16.0, name);
                }
            }
            grove(p, 12, (5.0, 8.0), Foliage::Green, |q| away(q) > 11.0);
        }
        _ => {
            grove(p, 3, (5.0, 8.0), Foliage::Green, |q| away(q) > 20.0);
        }
    }
    let bank = if bank == "houses" && p.canvas.count("house") < 2 { "meadow" } else { bank };
    word(p, places.len(), cars, colour, bank, wide)
}

/// A bridge along the x axis of `f`, and the road on it; gives the cars on the bridge.
fn span(p: &mut Painter, f: &Frame, reach: f64, narrow: bool) -> usize {
    let width = if narrow { 18.0 } else { 26.0 };
    let marking = if narrow { Marking::Dashed } else { Marking::Lanes };
    road(p, &straight(f, 0.0), width, marking);
    let deck = [f.rect(0.0, 0.0, reach * 2.0, width + 5.0)];
    p.shadow(&[f.rect(0.0, 0.0, reach * 2.0 - 26.0, width + 5.0)], 9.0);
    let label = p.canvas.object("bridge", None, None);
    p.canvas.paint_as(label, &deck, |_| [0.84, 0.83, 0.80]);
    p.canvas.paint(&[f.rect(0.0, 0.0, reach * 2.0, width + 1.0)], |_| [0.66, 0.65, 0.62]);
    p.canvas.paint(&[f.rect(0.0, 0.0, reach * 2.0, width - 1.0)], |q| {
        scaled([0.50, 0.50, 0.51], 0.94 + 0.12 * value(5, q.x, q.y))
    });
    let pieces = (reach / 6.5) as i64;
    let dashes: Vec<Shape> = (1..pieces).map(|k| f.rect(k as f64 * 13.0 - reach, 0.0, 6.0, 1.1)).collect();
    p.canvas.paint(&dashes, |_| [0.92, 0.92, 0.90]);
    traffic(p, f, 0.0, width, reach - 8.0, 4)
}

fn word(p: &mut Painter, n: usize, cars: usize, colour: &str, bank: &str, wide: bool) -> Vec<String> {
    let river = sentence(&[if wide { "wide" } else { "narrow" }, colour, "river"]);
    let plain = sentence(&[colour, "river"]);
    let banks = match bank {
        "trees" => p.say(&["with many trees on both banks", "with dense trees on the banks"]),
        "houses" => p.say(&["with some houses on the banks", "with houses beside the river"]),
        _ => p.say(&["with green meadows on both banks", "between green meadows"]),
    };
    let traffic = match cars {
        0 => "with no car on it".to_string(),
        n => format!("with {} on it", counted(n, "car", &mut p.words)),
    };
    let traffic = if n > 1 { traffic.replace("on it", "on them") } else { traffic };
    let (b, c, d) = (p.counted(n, "bridge"), p.counted(n, "bridge"), p.counted(n, "bridge"));
    let be = is(n);
    let goes = if n == 1 { "goes" } else { "go" };
    vec![
        sentence(&[&b, be, "over", &a(&river), banks]),
        sentence(&["there", be, &c, &traffic, "across", &a(&plain)]),
        sentence(&[&a(&river), banks, "and", &d, "over it"]),
        sentence(&[&c, &traffic, goes, "across the", &river]),
        sentence(&[&a(&plain), "flows under", &b, banks]),
        sentence(&["this is", &a(&river), "with", &d, "over the water"]),
    ]
}

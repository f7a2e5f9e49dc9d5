//! Boats at the piers of a quay.

use crate::scenes::nature::{Foliage, grass, grove, water};
use crate::scenes::noise::{scaled, value, wave};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, building, concrete, road, straight};
use crate::scenes::surroundings::traffic;
use crate::scenes::vehicles::boat;
use crate::scenes::words::{is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let colour = p.choose(&["blue", "green", "dark"]);
    let sea = water(p, colour);
    let label = p.canvas.object("water", Some(colour), None);
    p.canvas.wash(label, |q| (1.0, sea.at(q)));
    let f = p.frame(5.0);
    let piers = p.choose(&[1usize, 2, 2, 3, 4]);
    let land = p.choose(&["buildings", "road", "trees", ""]);
    let fill = p.choose(&[0.2, 0.5, 0.95, 0.95]);
    let long = p.between(19.0, 24.0);
    let mast = p.rng.chance(0.5);

    let edge = -76.0;
    let paving = concrete(p);
    p.shadow(&[f.rect(0.0, edge - 100.0, 420.0, 200.0)], 5.0);
    p.region("quay", None, &[f.rect(0.0, edge - 100.0, 420.0, 200.0)], &paving);
    p.canvas.paint(&[f.rect(0.0, edge - 1.5, 420.0, 3.0)], |_| [0.80, 0.79, 0.76]);
    match land {
        "buildings" => {
            for x in [-70.0, -5.0, 60.0] {
                let (width, depth) = (p.between(38.0, 56.0), p.between(22.0, 28.0));
                let name = p.choose(&["white", "gray", "brown"]);
                building(p, &f.child(x, edge - 26.0, 0.0), width, depth, 10.0, name);
            }
        }
        "road" => {
            road(p, &straight(&f, edge - 22.0), 17.0, Marking::Dashed);
            traffic(p, &f, edge - 22.0, 17.0, 100.0, 3);
        }
        "trees" => {
            let green = grass(p);
            p.canvas.paint_as(0, &[f.rect(0.0, edge - 115.0, 420.0, 200.0)], |q| green.at(q));
            grove(p, 24, (5.5, 9.5), Foliage::Green, |q| f.local(q).y < edge - 22.0);
        }
        _ => {}
    }
    let gap = long * 2.0 + p.between(17.0, 21.0);
    let reach = p.between(150.0, 168.0);
    for pier in 0..piers {
        let x = (pier as f64 - (piers as f64 - 1.0) / 2.0) * gap;
        let deck = [f.rect(x, edge + reach / 2.0, 7.0, reach)];
        p.shadow(&deck, 4.0);
        let label = p.canvas.object("pier", None, None);
        p.canvas.paint_as(label, &deck, |q| {
            let local = f.local(q);
            scaled([0.68, 0.60, 0.49], 0.86 + 0.2 * wave(local.y / 3.0) + 0.1 * value(3, q.x, q.y))
        });
        for side in [-1.0, 1.0] {
            let slots = (reach / 11.5) as usize - 1;
            for slot in 0..slots {
                let y = edge + 16.0 + slot as f64 * 11.5;
                p.canvas.paint(&[f.line((x + side * 3.5, y - 5.7), (x + side * 15.0, y - 5.7), 1.3)], |_| {
                    [0.72, 0.66, 0.56]
                });
                let place = f.child(x + side * (long / 2.0 + 5.5), y, if side > 0.0 { 0.5 } else { 0.0 });
                if p.rng.chance(fill) && p.inside(place.origin, long * 0.3) {
                    let length = long * p.between(0.82, 1.0);
                    let turned = if p.rng.chance(0.5) { 0.5 } else { 0.0 };
                    boat(p, &place.child(0.0, 0.0, turned), length, mast);
                }
            }
        }
    }
    word(p, piers, colour, land, fill)
}

fn word(p: &mut Painter, piers: usize, colour: &str, land: &str, fill: f64) -> Vec<String> {
    let n = p.canvas.count("boat");
    let be = is(n);
    let (a, b, c) = (p.counted(n, "boat"), p.counted(n, "white boat"), p.counted(n, "boat"));
    let (d, e) = (p.counted(piers, "pier"), p.counted(piers, "long pier"));
    let room = match fill {
        f if f > 0.9 => p.say(&["and no position is free", "close to each other"]),
        f if f > 0.4 => p.say(&["and some positions are free", "with some free positions"]),
        _ => p.say(&["and many positions are free", "with many free positions"]),
    };
    let quay = match land {
        "buildings" => p.say(&["near some buildings", "beside some buildings"]),
        "road" => p.say(&["beside a road", "near a road"]),
        "trees" => p.say(&["near green trees", "beside some trees"]),
        _ => p.say(&["beside the empty quay", "near a gray quay"]),
    };
    vec![
        sentence(&[&a, be, "docked at", &d, "in the harbor", quay]),
        sentence(&["there", be, &b, "in the harbor", room]),
        sentence(&["this is a harbor with", &e, "and", &c]),
        sentence(&[&c, be, "docked neatly at the harbor and the water is", colour]),
        sentence(&["the", colour, "water of the harbor has", &d, quay]),
        sentence(&[&b, be, "docked", room, quay]),
    ]
}

//! Parallel tracks with or without trains.

use crate::scenes::geometry::{Frame, Shape};
use crate::scenes::nature::{Foliage, grass, grove, soil};
use crate::scenes::noise::{scaled, value};
use crate::scenes::painter::Painter;
use crate::scenes::structures::{Marking, building, concrete, fits_inside, house, road, straight};
use crate::scenes::surroundings::traffic;
use crate::scenes::vehicles::train;
use crate::scenes::words::{is, sentence};

pub(super) fn draw(p: &mut Painter) -> Vec<String> {
    let base = if p.rng.chance(0.7) { grass(p) } else { soil(p) };
    p.ground(&base);
    let f = p.frame(8.0);
    let tracks = p.choose(&[1usize, 2, 2, 3, 4, 5, 6]);
    let trains = p.choose(&[0usize, 1, 1, 2]).min(tracks);
    let platform = tracks <= 3 && p.rng.chance(0.4);
    let side = p.choose(&["trees", "buildings", "road", "houses"]);

    let gap = 15.0;
    let half = tracks as f64 * gap / 2.0 + 4.0;
    let bed = [f.rect(0.0, 0.0, 420.0, half * 2.0)];
    p.canvas.paint_soft(0, &bed, 5.0, |q| scaled([0.47, 0.43, 0.39], 0.75 + 0.5 * value(21, q.x / 1.1, q.y / 1.1)));
    let mut order: Vec<usize> = (0..tracks).collect();
    p.rng.shuffle(&mut order);
    for track in 0..tracks {
        let y = (track as f64 - (tracks as f64 - 1.0) / 2.0) * gap;
        rails(p, &f.child(0.0, y, 0.0));
    }
    if platform {
        let slab = concrete(p);
        let y = half + 9.0;
        let shape = [f.rect(0.0, y, 190.0, 15.0)];
        p.shadow(&shape, 2.0);
        p.region("platform", None, &shape, &slab);
        p.canvas.paint(&[f.rect(0.0, y - 6.3, 190.0, 1.0)], |_| [0.86, 0.72, 0.24]);
        let roof = f.child(0.0, y + 1.5, 0.0);
        let outline = [roof.rect(0.0, 0.0, 90.0, 8.5)];
        p.shadow(&outline, 4.0);
        p.canvas.paint(&outline, |_| [0.70, 0.72, 0.74]);
    }
    for &track in order.iter().take(trains) {
        let y = (track as f64 - (tracks as f64 - 1.0) / 2.0) * gap;
        let (from, to) = p.choose(&[(-200.0, 200.0), (-200.0, 40.0), (-40.0, 200.0), (-75.0, 75.0)]);
        let colour = p.choose(&[[0.80, 0.80, 0.80], [0.62, 0.16, 0.14], [0.20, 0.32, 0.52], [0.30, 0.44, 0.34]]);
        let shift = p.between(-8.0, 8.0);
        train(p, &f.child(0.0, y, 0.0), from + shift, to, colour);
    }
    let mut out = half + if platform { 26.0 } else { 9.0 };
    match side {
        "road" => {
            road(p, &straight(&f, out + 12.0), 18.0, Marking::Dashed);
            traffic(p, &f, out + 12.0, 18.0, 110.0, 4);
            out += 26.0;
        }
        "buildings" | "houses" => row(p, &f, out, side == "houses"),
        _ => {}
    }
    let count = if side == "trees" { 60 } else { 6 };
    grove(p, count, (5.0, 9.0), Foliage::Green, |q| {
        let y = f.local(q).y;
        y > out + 9.0 || y < -half - 11.0
    });
    let side = match side {
        "buildings" if p.canvas.count("building") < 2 => "",
        "houses" if p.canvas.count("house") < 2 => "",
        other => other,
    };
    word(p, tracks, platform, side)
}

/// Sleepers and two rails along the x axis. Labelled "track".
fn rails(p: &mut Painter, f: &Frame) {
    let label = p.canvas.object("track", None, None);
    p.canvas.paint_as(label, &[f.rect(0.0, 0.0, 420.0, 8.8)], |q| {
        scaled([0.42, 0.38, 0.35], 0.7 + 0.6 * value(22, q.x, q.y))
    });
    let sleepers: Vec<Shape> = (-44..=44).map(|k| f.rect(f64::from(k) * 4.4, 0.0, 1.9, 8.0)).collect();
    for near in sleepers.chunks(8) {
        p.canvas.paint(near, |_| [0.60, 0.56, 0.51]);
    }
    for y in [-2.4, 2.4] {
        p.canvas.paint(&[f.rect(0.0, y, 420.0, 1.1)], |_| [0.76, 0.75, 0.76]);
    }
}

/// Buildings or houses along both sides.
fn row(p: &mut Painter, f: &Frame, out: f64, houses: bool) {
    for (side, from) in [(0.0, out), (0.5, out)] {
        let bank = f.child(0.0, 0.0, side);
        let step = if houses { 32.0 } else { 64.0 };
        for k in -4..=4 {
            let (w, d) = if houses { (24.0, 16.0) } else { (p.between(38.0, 56.0), p.between(26.0, 34.0)) };
            let place = bank.child(f64::from(k) * step + p.between(-2.0, 2.0), from + 7.0 + d / 2.0, 0.0);
            if !fits_inside(p, &place, w * 0.6, d * 0.6, 0.0) || p.rng.chance(0.15) {
                continue;
            }
            if houses {
                let name = p.choose(&["red", "brown", "gray"]);
                house(p, &place, w, d, name);
            } else {
                let name = p.choose(&["white", "gray", "brown", "blue"]);
                building(p, &place, w, d, 11.0, name);
            }
        }
    }
}

fn word(p: &mut Painter, n: usize, platform: bool, side: &str) -> Vec<String> {
    let trains = p.canvas.count("train");
    let be = is(n);
    let track = p.say(&["track", "railway track"]);
    let (a, b, c) = (p.counted(n, track), p.counted(n, "railway track"), p.counted(n, "track"));
    let cars = if trains == 0 { "no train".to_string() } else { p.counted(trains, "train") };
    let more = if trains == 0 { "no train".to_string() } else { p.counted(trains, "long train") };
    let beside = match side {
        "trees" => p.say(&["with many trees on both sides", "between green trees"]),
        "buildings" => p.say(&["with some buildings beside", "between some buildings"]),
        "houses" => p.say(&["with houses on both sides", "near some houses"]),
        "road" => p.say(&["beside a road", "with a road beside"]),
        _ => "",
    };
    let stop = if platform { p.say(&["and a platform", "and a long platform"]) } else { "" };
    let ties = if trains <= 1 { "is" } else { "are" };
    vec![
        sentence(&["this is a railway with", &a, stop, beside]),
        sentence(&["there", ties, &cars, "on the railway with", &c]),
        sentence(&[&b, be, if n == 1 { "straight" } else { "arranged in parallel" }, beside]),
        sentence(&["a railway with", &b, stop, "and", &more]),
        sentence(&["the railway with", &c, "goes", if beside.is_empty() { "over open ground" } else { beside }]),
        sentence(&["we can see", &more, "and", &a, beside]),
    ]
}

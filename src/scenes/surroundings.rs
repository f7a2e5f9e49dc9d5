//! What lies beside the main thing of a picture: roads, trees, buildings.

use super::geometry::{Frame, Point};
use super::nature::{Foliage, grove};
use super::painter::Painter;
use super::structures::{Marking, building, fits_inside, is_free, road, straight};
use super::vehicles::car;
use super::words;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Neighbour {
    Road,
    Trees,
    Buildings,
}

/// Draws up to two different neighbours on sides of the rectangle of half-sides `half` around the origin of `frame`,
/// and gives them as noun phrases in the order drawn. Only what can be seen is named.
pub(super) fn surround(p: &mut Painter, frame: &Frame, half: (f64, f64), choices: &[Neighbour]) -> Vec<String> {
    let mut wanted = choices.to_vec();
    p.rng.shuffle(&mut wanted);
    wanted.truncate(p.choose(&[0, 1, 1, 2, 2]));
    wanted.sort_by_key(|&neighbour| neighbour as u8); // roads lie under the rest
    let mut sides = [0, 1, 2, 3];
    p.rng.shuffle(&mut sides);
    let mut named = Vec::new();
    for (neighbour, side) in wanted.into_iter().zip(sides) {
        let outward = frame.child(0.0, 0.0, f64::from(side) / 4.0);
        let from = if side % 2 == 0 { half.1 } else { half.0 };
        named.extend(add(p, &outward, from, neighbour));
    }
    named
}

/// One neighbour beyond y = `from` of a frame.
fn add(p: &mut Painter, frame: &Frame, from: f64, neighbour: Neighbour) -> Option<String> {
    match neighbour {
        Neighbour::Road => {
            let width = p.choose(&[14.0, 18.0, 24.0]);
            let y = from + 9.0 + width / 2.0;
            road(p, &straight(frame, y), width, Marking::Dashed);
            traffic(p, frame, y, width, 150.0, 3);
            // Beyond large things it may lie outside the picture.
            (p.canvas.count("road") > 0).then(|| "a road".into())
        }
        Neighbour::Trees => {
            let frame = *frame;
            let count = p.rng.range(8, 22) as usize;
            let foliage = p.choose(&[Foliage::Dark, Foliage::Green]);
            let planted = grove(p, count, (5.5, 10.0), foliage, |q: Point| frame.local(q).y > from + 11.0);
            (planted >= 4).then(|| "some trees".into())
        }
        Neighbour::Buildings => {
            let mut built = 0;
            for x in [-62.0, 0.0, 62.0] {
                if built > 0 && p.rng.chance(0.35) {
                    continue;
                }
                let (width, depth) = (p.between(34.0, 54.0), p.between(24.0, 34.0));
                let place = frame.child(x + p.between(-4.0, 4.0), from + 9.0 + depth / 2.0, 0.0);
                if fits_inside(p, &place, width * 0.5, depth * 0.5, 0.0) && is_free(p, &place, width, depth) {
                    let height = p.between(9.0, 15.0);
                    let name = p.choose(&["white", "gray", "gray", "brown"]);
                    building(p, &place, width, depth, height, name);
                    built += 1;
                }
            }
            match built {
                0 => None,
                1 => Some("a building".into()),
                _ => Some("some buildings".into()),
            }
        }
    }
}

/// Up to `most` cars on both lanes of a straight road at `y`, for x within `reach` of 0; gives how many.
pub(super) fn traffic(p: &mut Painter, frame: &Frame, y: f64, width: f64, reach: f64, most: i64) -> usize {
    let wanted = p.rng.range(0, most) as usize;
    let mut driven: Vec<(f64, f64)> = Vec::new();
    for _ in 0..60 {
        if driven.len() == wanted {
            break;
        }
        let lane = p.choose(&[-1.0, 1.0]);
        let x = p.between(-reach, reach);
        let here = frame.child(x, y + lane * width / 4.0, if lane > 0.0 { 0.0 } else { 0.5 });
        let clear = driven.iter().all(|&(l, other)| l != lane || (other - x).abs() > 18.0);
        if clear && p.inside(here.origin, 7.0) {
            car(p, &here);
            driven.push((lane, x));
        }
    }
    driven.len()
}

/// " near a road and some trees" in one of several wordings; empty without neighbours.
pub(super) fn near(p: &mut Painter, neighbours: &[String]) -> String {
    if neighbours.is_empty() {
        return String::new();
    }
    // Not every sentence tells everything.
    let told = if p.words.chance(0.5) { neighbours } else { &neighbours[..1] };
    let all = words::and(told);
    match p.say(if told.len() > 1 { &["near"] } else { &["near", "near", "with"] }) {
        "with" => format!("with {all} beside"),
        preposition => format!("{preposition} {all}"),
    }
}

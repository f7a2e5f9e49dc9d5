//! What moves: cars, airplanes, boats and trains.

use super::geometry::{Frame, Shape};
use super::noise::{Rgb, scaled};
use super::painter::Painter;
use super::structures::WHITE;

/// A car, nose along the x axis: body, dark glass, lighter roof. Labelled "car".
pub(super) fn car(p: &mut Painter, frame: &Frame) {
    const BODIES: [Rgb; 9] = [
        [0.90, 0.90, 0.90],
        [0.86, 0.87, 0.88],
        [0.66, 0.68, 0.70],
        [0.30, 0.31, 0.33],
        [0.14, 0.14, 0.16],
        [0.62, 0.12, 0.12],
        [0.16, 0.24, 0.46],
        [0.50, 0.44, 0.34],
        [0.20, 0.32, 0.26],
    ];
    let colour = p.choose(&BODIES);
    let body = |length: f64, width: f64| {
        let (l, w) = (length / 2.0, width / 2.0);
        frame.polygon(&[
            (-l, -w * 0.8),
            (-l + 1.0, -w),
            (l - 1.6, -w),
            (l, -w * 0.6),
            (l, w * 0.6),
            (l - 1.6, w),
            (-l + 1.0, w),
            (-l, w * 0.8),
        ])
    };
    let outline = [body(10.6, 4.8)];
    p.shadow(&outline, 2.6);
    let label = p.canvas.object("car", None, None);
    p.canvas.paint_as(label, &outline, |_| colour);
    p.canvas.paint(&[frame.rect(-0.4, 0.0, 6.0, 4.0)], |_| [0.10, 0.12, 0.15]);
    p.canvas.paint(&[frame.rect(-0.7, 0.0, 3.4, 3.8)], |_| scaled(colour, 1.06));
}

/// An airliner of the given length, nose along the x axis. Labelled "airplane".
pub(super) fn airplane(p: &mut Painter, frame: &Frame, length: f64, size: Option<&'static str>) {
    let l = length;
    let fuselage = Shape::Stroke(vec![frame.at(-0.36 * l, 0.0), frame.at(0.44 * l, 0.0)], 0.055 * l);
    let tail = frame.polygon(&[
        (-0.34 * l, -0.052 * l),
        (-0.34 * l, 0.052 * l),
        (-0.5 * l, 0.012 * l),
        (-0.5 * l, -0.012 * l),
    ]);
    let both = |corners: [(f64, f64); 4]| {
        let mirrored: Vec<(f64, f64)> = corners.iter().map(|&(x, y)| (x, -y)).collect();
        [frame.polygon(&corners), frame.polygon(&mirrored)]
    };
    let wings = both([(0.15 * l, 0.03 * l), (-0.07 * l, 0.03 * l), (-0.21 * l, 0.47 * l), (-0.145 * l, 0.48 * l)]);
    let tailplane = both([(-0.37 * l, 0.02 * l), (-0.47 * l, 0.02 * l), (-0.5 * l, 0.18 * l), (-0.455 * l, 0.18 * l)]);
    let engines: Vec<Shape> =
        [-0.19, 0.19].iter().map(|&y| frame.line((0.01 * l, y * l), (0.09 * l, y * l), 0.062 * l)).collect();
    let mut all = vec![fuselage, tail];
    all.extend(wings.iter().chain(&tailplane).chain(&engines).cloned());
    p.shadow(&all, 0.16 * l);
    let stripe = p.choose(&[[0.70, 0.15, 0.15], [0.15, 0.25, 0.55], [0.80, 0.55, 0.15], [0.25, 0.45, 0.35]]);
    let label = p.canvas.object("airplane", Some("white"), size);
    let sun = p.sun.unit();
    let wing_shade = 0.90 - 0.05 * frame.axis.normal().dot(sun);
    p.canvas.paint_as(label, &engines, |_| [0.55, 0.57, 0.60]);
    p.canvas.paint_as(label, &wings, |_| [wing_shade * 0.94, wing_shade * 0.96, wing_shade]);
    p.canvas.paint_as(label, &tailplane, |_| [wing_shade * 0.90, wing_shade * 0.92, wing_shade * 0.95]);
    let across = frame.axis.normal();
    let centre = frame.origin;
    p.canvas
        .paint_as(label, &all[..2], |q| scaled([0.95, 0.95, 0.95], 1.0 - 2.2 * ((q - centre).dot(across) / l).abs()));
    p.canvas.paint(&[frame.line((-0.49 * l, 0.0), (-0.36 * l, 0.0), 0.02 * l + 0.6)], |_| stripe);
    p.canvas.paint(&[frame.rect(0.455 * l, 0.0, 0.03 * l, 0.06 * l)], |_| [0.15, 0.18, 0.22]);
}

/// A motor boat or, with `mast`, a sailing boat, bow along the x axis. Labelled "boat".
pub(super) fn boat(p: &mut Painter, frame: &Frame, length: f64, mast: bool) {
    let (l, w) = (length / 2.0, length * 0.15);
    let hull = |shrink: f64| {
        let (l, w) = (l - shrink, w - shrink);
        frame.polygon(&[
            (-l, -w * 0.8),
            (l * 0.1, -w),
            (l * 0.65, -w * 0.6),
            (l, 0.0),
            (l * 0.65, w * 0.6),
            (l * 0.1, w),
            (-l, w * 0.8),
        ])
    };
    let outline = [hull(0.0)];
    p.shadow(&outline, 2.5);
    let deck = p.choose(&[[0.82, 0.76, 0.66], [0.88, 0.88, 0.88], [0.70, 0.60, 0.48]]);
    let label = p.canvas.object("boat", Some("white"), None);
    p.canvas.paint_as(label, &outline, |_| [0.93, 0.93, 0.93]);
    p.canvas.paint(&[hull(0.9)], |_| deck);
    let cover = p.choose(&[[0.95, 0.95, 0.95], [0.20, 0.30, 0.55], [0.85, 0.85, 0.85], [0.55, 0.18, 0.18]]);
    if mast {
        p.canvas.paint(&[frame.line((-l * 0.75, 0.0), (l * 0.2, 0.0), 1.6)], |_| cover);
        let pole = [frame.disc(l * 0.2, 0.0, 0.7)];
        p.shadow(&pole, length * 0.7);
        p.canvas.paint(&pole, |_| WHITE);
    } else {
        p.canvas.paint(&[frame.rect(-l * 0.15, 0.0, l * 0.7, w * 1.15)], |_| cover);
        p.canvas.paint(&[frame.rect(l * 0.24, 0.0, l * 0.1, w * 1.1)], |_| [0.15, 0.18, 0.22]);
    }
}

/// A train of wagons from x = `from` to `to` along the frame. Labelled "train", as one object.
pub(super) fn train(p: &mut Painter, frame: &Frame, from: f64, to: f64, colour: Rgb) {
    let label = p.canvas.object("train", None, None);
    let wagon = 34.0;
    let wagons = ((to - from) / (wagon + 2.0)).floor().max(1.0) as usize;
    let cargo = p.rng.chance(0.45);
    for number in 0..wagons {
        let x = from + (number as f64 + 0.5) * (wagon + 2.0);
        let outline = [frame.rect(x, 0.0, wagon, 7.6)];
        p.shadow(&outline, 5.0);
        let paint = if cargo && number > 0 {
            p.choose(&[[0.45, 0.27, 0.20], [0.30, 0.34, 0.40], [0.55, 0.42, 0.25], [0.26, 0.40, 0.36]])
        } else {
            colour
        };
        p.canvas.paint_as(label, &outline, |_| scaled(paint, 0.75));
        p.canvas.paint(&[frame.rect(x, 0.0, wagon - 1.5, 5.6)], |_| paint);
        for vent in [-10.0, 0.0, 10.0] {
            p.canvas.paint(&[frame.rect(x + vent, 0.0, 4.0, 3.0)], |_| scaled(paint, 0.72));
        }
        let coupling = [frame.line((x + wagon / 2.0 - 0.5, 0.0), (x + wagon / 2.0 + 2.5, 0.0), 2.0)];
        p.canvas.paint_as(label, &coupling, |_| [0.15, 0.15, 0.15]);
    }
}

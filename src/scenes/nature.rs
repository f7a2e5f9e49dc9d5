//! Ground, water and plants.

use super::canvas::Label;
use super::geometry::{Frame, Point, Shape, direction, disc, pt, spline};
use super::noise::{Rgb, Texture, fractal, mix, scaled, smoothstep, value};
use super::painter::Painter;

/// Colour of tree crowns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Foliage {
    Dark,
    Green,
    Autumn,
}

pub(super) fn grass(p: &mut Painter) -> Texture {
    let green = p.choose(&[[0.29, 0.37, 0.21], [0.33, 0.39, 0.24], [0.26, 0.35, 0.21]]);
    let light = p.choose(&[[0.46, 0.49, 0.31], [0.52, 0.51, 0.36], [0.42, 0.48, 0.30]]);
    p.texture(green, light, 52.0, 0.26)
}

/// Covers the picture with grass as it grows outside parks: tufts, dry and worn places.
pub(super) fn open_grass(p: &mut Painter) {
    let base = grass(p);
    p.ground(&base);
    if p.rng.chance(0.45) {
        let share = p.between(0.0, 0.09);
        patches(p, [0.56, 0.51, 0.38], share);
    }
    let count = p.rng.range(40, 160) as usize;
    clutter(p, count, scaled(base.dark, 0.85));
}

/// The even green of kept turf.
pub(super) fn lawn(p: &mut Painter) -> Texture {
    let green = p.choose(&[[0.34, 0.46, 0.26], [0.31, 0.43, 0.25], [0.38, 0.49, 0.29]]);
    p.texture(green, scaled(green, 1.16), 60.0, 0.12)
}

pub(super) fn soil(p: &mut Painter) -> Texture {
    let brown = p.choose(&[[0.47, 0.39, 0.29], [0.52, 0.44, 0.34], [0.45, 0.35, 0.26]]);
    p.texture(brown, scaled(brown, 1.28), 34.0, 0.2)
}

pub(super) fn sand(p: &mut Painter) -> Texture {
    let base = p.choose(&[[0.80, 0.73, 0.58], [0.83, 0.77, 0.64], [0.77, 0.68, 0.52]]);
    p.texture(base, scaled(base, 1.1), 30.0, 0.09)
}

/// Named water colours.
pub(super) fn water(p: &mut Painter, name: &str) -> Texture {
    let base: Rgb = match name {
        "green" => [0.20, 0.38, 0.34],
        "brown" => [0.42, 0.36, 0.25],
        "dark" => [0.10, 0.17, 0.22],
        _ => [0.13, 0.34, 0.50],
    };
    let wind = Frame::new(pt(128.0, 128.0), p.rng.unit());
    p.texture(scaled(base, 0.88), scaled(base, 1.18), 70.0, 0.10).striped(wind, 4.0, 0.035)
}

/// A tree with its shadow: lobed crown, lit from the side of the sun. Labelled.
pub(super) fn tree(p: &mut Painter, centre: Point, radius: f64, foliage: Foliage) {
    let lobes = p.rng.range(5, 8);
    let turn = p.rng.unit();
    let mut crown = vec![disc(centre, radius * 0.72)];
    for lobe in 0..lobes {
        let out = radius * p.between(0.45, 0.70);
        let place = centre + direction(turn + lobe as f64 / lobes as f64) * out;
        crown.push(disc(place, radius * p.between(0.29, 0.44)));
    }
    p.shadow(&crown, radius * 1.1);
    let base: Rgb = match foliage {
        Foliage::Dark => p.choose(&[[0.17, 0.26, 0.15], [0.20, 0.29, 0.16], [0.16, 0.24, 0.16]]),
        Foliage::Green => p.choose(&[[0.24, 0.37, 0.17], [0.28, 0.41, 0.19], [0.21, 0.34, 0.18]]),
        Foliage::Autumn => p.choose(&[[0.62, 0.42, 0.16], [0.55, 0.30, 0.15], [0.66, 0.52, 0.22], [0.36, 0.38, 0.18]]),
    };
    let (seed, sun) = (p.rng.next_u64() as u32, p.sun.unit());
    let label = p.canvas.object("tree", None, None);
    p.canvas.paint_rough(label, &crown, (radius * 0.16, 2.4, seed), |q| {
        let away = (q - centre) * (1.0 / radius);
        let lit = 1.02 - 0.42 * away.dot(sun);
        let leaves = fractal(seed, q.x / 3.2, q.y / 3.2, 2) - 0.5;
        mix(scaled(base, lit + 0.95 * leaves), scaled(base, 1.5), (0.25 * (lit - 0.9)).clamp(0.0, 1.0))
    });
}

/// A low round bush. Labelled.
pub(super) fn bush(p: &mut Painter, centre: Point, radius: f64, colour: Rgb) {
    let shape = [disc(centre, radius)];
    p.shadow(&shape, radius * 0.8);
    let (seed, sun) = (p.rng.next_u64() as u32, p.sun.unit());
    let label = p.canvas.object("bush", None, None);
    p.canvas.paint_as(label, &shape, |q| {
        let lit = 1.0 - 0.35 * (q - centre).dot(sun) / radius;
        scaled(colour, lit + 0.6 * (value(seed, q.x / 2.0, q.y / 2.0) - 0.5))
    });
}

/// Plants up to `count` trees where `fits` holds and no object but trees lies; gives how many stand.
pub(super) fn grove(
    p: &mut Painter,
    count: usize,
    radius: (f64, f64),
    foliage: Foliage,
    fits: impl Fn(Point) -> bool,
) -> usize {
    let places = p.scatter(count, radius.1 * 1.1, 3.0, |p, q| fits(q) && p.free(q, radius.1 * 0.9, true));
    for &place in &places {
        let r = p.between(radius.0, radius.1);
        tree(p, place, r, foliage);
    }
    places.len()
}

/// A closed outline around `centre` that swells and shrinks by `wobble` of its radius.
pub(super) fn blob(p: &mut Painter, centre: Point, rx: f64, ry: f64, wobble: f64) -> Shape {
    let turn = Frame::new(centre, p.rng.unit());
    let corners: Vec<Point> = (0..9)
        .map(|ninth| {
            let d = direction(f64::from(ninth) / 9.0) * p.between(1.0 - wobble, 1.0 + wobble);
            turn.at(d.x * rx, d.y * ry)
        })
        .collect();
    let mut closed = corners.clone();
    closed.extend(corners.iter().take(3));
    let curve = spline(&closed, 5);
    Shape::Polygon(curve[5..].iter().take(45).copied().collect())
}

/// A pond with a damp rim. Labelled.
pub(super) fn pond(p: &mut Painter, centre: Point, rx: f64, ry: f64) {
    let name = p.choose(&["dark", "green"]);
    let texture = water(p, name);
    let shape = [blob(p, centre, rx, ry, 0.2)];
    p.canvas.paint_soft(0, &shape, 8.0, |_| [0.30, 0.32, 0.20]);
    p.region("pond", None, &shape, &texture);
}

/// A dirt path along a curve. Labelled.
pub(super) fn path(p: &mut Painter, points: Vec<Point>, width: f64) -> Label {
    let texture = p.texture([0.62, 0.54, 0.41], [0.74, 0.67, 0.54], 16.0, 0.14);
    let label = p.canvas.object("path", None, None);
    p.canvas.paint_soft(label, &[Shape::Stroke(points, width / 2.0)], 1.8, |q| texture.at(q));
    label
}

/// A curve right across the picture: it runs along the x axis of `frame` and swings by up to `swing` units.
pub(super) fn winding(p: &mut Painter, frame: &Frame, swing: f64) -> Vec<Point> {
    let knots: Vec<Point> = (-4..=4).map(|step| frame.at(f64::from(step) * 52.0, p.between(-swing, swing))).collect();
    spline(&knots, 6)
}

/// Small tufts and stones that keep open ground from looking flat; not objects.
pub(super) fn clutter(p: &mut Painter, count: usize, colour: Rgb) {
    for _ in 0..count {
        let place = pt(p.between(0.0, 256.0), p.between(0.0, 256.0));
        if p.free(place, 2.0, false) {
            let radius = p.between(0.5, 1.6);
            let shade = p.between(0.75, 1.15);
            p.canvas.paint_soft(0, &[disc(place, radius)], 1.5, |_| scaled(colour, shade));
        }
    }
}

/// Worn and bare places: washes `colour` over ground where large noise is high.
pub(super) fn patches(p: &mut Painter, colour: Rgb, share: f64) {
    let seed = p.rng.next_u64() as u32;
    p.canvas.wash(0, |q| {
        let high = fractal(seed, q.x / 38.0, q.y / 38.0, 4);
        (smoothstep(0.62 - share, 0.72 - share, high) * 0.7, scaled(colour, 0.9 + 0.2 * value(seed, q.x, q.y)))
    });
}

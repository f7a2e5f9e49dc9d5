//! What is built: roads, houses, flat roofs, pools.

use super::canvas::Label;
use super::geometry::{Frame, Point, Shape, chain_distance, pt};
use super::noise::{Rgb, Texture, scaled, value, wave};
use super::painter::Painter;

pub(super) const WHITE: Rgb = [0.88, 0.88, 0.86];
pub(super) const YELLOW: Rgb = [0.82, 0.66, 0.22];

pub(super) fn asphalt(p: &mut Painter) -> Texture {
    let grey = p.choose(&[0.36, 0.41, 0.46]);
    p.texture([grey, grey, grey * 1.02], [grey * 1.14, grey * 1.13, grey * 1.12], 40.0, 0.12)
}

pub(super) fn concrete(p: &mut Painter) -> Texture {
    let grey = p.choose(&[0.58, 0.63, 0.67]);
    p.texture([grey, grey * 0.99, grey * 0.95], [grey * 1.1, grey * 1.09, grey * 1.06], 40.0, 0.09)
}

/// How a road is marked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Marking {
    /// Broken white line in the middle.
    Dashed,
    /// Double yellow line in the middle, dashes between lanes.
    Lanes,
}

/// A paved road along a chain of points. Labelled "road".
pub(super) fn road(p: &mut Painter, points: &[Point], width: f64, marking: Marking) -> Label {
    let texture = asphalt(p);
    let stroke = |half: f64| [Shape::Stroke(points.to_vec(), half)];
    p.canvas
        .paint_soft(0, &stroke(width / 2.0 + 3.0), 1.5, |q| scaled([0.66, 0.64, 0.60], 0.9 + 0.2 * value(7, q.x, q.y)));
    let label = p.region("road", None, &stroke(width / 2.0), &texture);
    // Wheels leave two darker tracks a lane.
    p.canvas.paint(&stroke(width / 2.0), |q| {
        let across = chain_distance(points, q) / width;
        scaled(texture.at(q), 0.94 + 0.08 * wave(across * 4.0 + 0.1))
    });
    match marking {
        Marking::Dashed => dashes(p, points, 0.0, 1.1, WHITE),
        Marking::Lanes => {
            for shift in [-0.9, 0.9] {
                let line: Vec<Point> = offset(points, shift);
                p.canvas.paint(&[Shape::Stroke(line, 0.45)], |_| YELLOW);
            }
            for shift in [-width / 4.0, width / 4.0] {
                dashes(p, points, shift, 0.9, WHITE);
            }
            for shift in [-width / 2.0 + 1.2, width / 2.0 - 1.2] {
                let line: Vec<Point> = offset(points, shift);
                p.canvas.paint(&[Shape::Stroke(line, 0.4)], |_| scaled(WHITE, 0.92));
            }
        }
    }
    label
}

/// A chain moved sideways.
pub(super) fn offset(points: &[Point], by: f64) -> Vec<Point> {
    (0..points.len())
        .filter_map(|i| {
            let here = points.get(i)?;
            let before = points.get(i.saturating_sub(1))?;
            let after = points.get(i + 1).unwrap_or(here);
            Some(*here + (*after - *before).unit().normal() * by)
        })
        .collect()
}

fn dashes(p: &mut Painter, points: &[Point], shift: f64, width: f64, colour: Rgb) {
    let mut shapes = Vec::new();
    for pair in offset(points, shift).windows(2) {
        let length = (pair[1] - pair[0]).length();
        let pieces = (length / 13.0).ceil().max(1.0);
        for piece in 0..pieces as usize {
            let at = |share: f64| pair[0] + (pair[1] - pair[0]) * ((piece as f64 + share) / pieces);
            shapes.push(Shape::Stroke(vec![at(0.2), at(0.68)], width / 2.0));
        }
    }
    p.canvas.paint(&shapes, |_| colour);
}

/// White bars across a road at `x` of the frame along it: a zebra crossing as wide as the road.
pub(super) fn zebra(p: &mut Painter, frame: &Frame, x: f64, width: f64) {
    let bars = (width / 4.6) as usize;
    let shapes: Vec<Shape> =
        (0..bars).map(|bar| frame.rect(x, (bar as f64 + 0.5) * width / bars as f64 - width / 2.0, 9.0, 2.3)).collect();
    p.canvas.paint(&shapes, |_| WHITE);
}

/// Roof colours by name.
pub(super) fn roof_colour(p: &mut Painter, name: &str) -> Rgb {
    let colour: Rgb = match name {
        "red" => [0.58, 0.27, 0.21],
        "orange" => [0.78, 0.46, 0.26],
        "brown" => [0.42, 0.31, 0.24],
        "white" => [0.84, 0.83, 0.80],
        "blue" => [0.30, 0.44, 0.62],
        _ => [0.50, 0.50, 0.50],
    };
    let factor = p.between(0.92, 1.08);
    scaled(colour, factor)
}

/// A house with a hipped roof, `width` by `depth`, maybe with a wing. Labelled "house".
pub(super) fn house(p: &mut Painter, frame: &Frame, width: f64, depth: f64, name: &'static str) {
    let mut parts = vec![(frame.child(0.0, 0.0, 0.0), width, depth)];
    if width > 30.0 && p.rng.chance(0.7) {
        let side = p.choose(&[-1.0, 1.0]);
        let wing = p.between(0.42, 0.55) * width;
        let reach = depth * p.between(0.55, 0.75);
        parts.push((frame.child(side * (width - wing) / 2.0, depth * 0.35, 0.25), reach, wing));
    }
    let outlines: Vec<Shape> = parts.iter().map(|(f, w, d)| f.rect(0.0, 0.0, *w, *d)).collect();
    p.shadow(&outlines, 8.0);
    let colour = roof_colour(p, name);
    let label = p.canvas.object("house", Some(name), None);
    p.canvas.paint_as(label, &outlines, |_| scaled(colour, 0.55));
    for (f, w, d) in &parts {
        hipped_roof(p, f, w - 0.8, d - 0.8, colour);
    }
    if p.rng.chance(0.5) {
        let x = width * p.between(-0.3, 0.3);
        p.canvas.paint(&[frame.rect(x, -depth * 0.15, 2.6, 2.2)], |_| [0.35, 0.27, 0.25]);
    }
}

/// Four slopes, each as bright as it faces the sun.
fn hipped_roof(p: &mut Painter, f: &Frame, width: f64, depth: f64, colour: Rgb) {
    let (w, d) = (width / 2.0, depth / 2.0);
    let ridge = (w - d).max(w * 0.15);
    let axis = f.axis;
    let sun = p.sun.unit();
    let seed = p.rng.next_u64() as u32;
    let slopes = [
        (vec![(-w, -d), (w, -d), (ridge, 0.0), (-ridge, 0.0)], axis.normal() * -1.0),
        (vec![(-w, d), (w, d), (ridge, 0.0), (-ridge, 0.0)], axis.normal()),
        (vec![(-w, -d), (-w, d), (-ridge, 0.0)], axis * -1.0),
        (vec![(w, -d), (w, d), (ridge, 0.0)], axis),
    ];
    for (corners, facing) in slopes {
        let lit = 0.98 - 0.30 * facing.dot(sun);
        let tiles = f.child(0.0, 0.0, 0.0);
        p.canvas.paint(&[f.polygon(&corners)], |q| {
            let local = tiles.local(q);
            let course = if facing.dot(axis).abs() > 0.5 { local.x } else { local.y };
            scaled(colour, lit * (0.96 + 0.08 * wave(course / 2.6)) + 0.16 * (value(seed, q.x / 2.0, q.y / 2.0) - 0.5))
        });
    }
}

/// A flat roof with a parapet and machines on it. Labelled "building".
pub(super) fn building(
    p: &mut Painter,
    frame: &Frame,
    width: f64,
    depth: f64,
    height: f64,
    name: &'static str,
) -> Label {
    let outline = [frame.rect(0.0, 0.0, width, depth)];
    p.shadow(&outline, height);
    let colour = roof_colour(p, name);
    let label = p.canvas.object("building", Some(name), None);
    p.canvas.paint_as(label, &outline, |_| scaled(colour, 1.08));
    let texture = p.texture(scaled(colour, 0.9), colour, 18.0, 0.07).striped(*frame, 7.0, 0.05);
    p.canvas.paint(&[frame.rect(0.0, 0.0, width - 2.6, depth - 2.6)], |q| texture.at(q));
    for _ in 0..((width * depth / 320.0) as usize + 1).min(9) {
        let (w, d) = (p.between(3.0, 7.0), p.between(3.0, 6.0));
        let x = p.between(-0.5, 0.5) * (width - w - 6.0).max(0.0);
        let y = p.between(-0.5, 0.5) * (depth - d - 6.0).max(0.0);
        let unit = [frame.rect(x, y, w, d)];
        p.shadow(&unit, 2.5);
        let shade = p.between(0.55, 0.85);
        p.canvas.paint(&unit, |_| [shade, shade, shade]);
    }
    label
}

/// A swimming pool with a paved rim. Labelled "pool".
pub(super) fn pool(p: &mut Painter, frame: &Frame, width: f64, depth: f64) {
    p.canvas.paint(&[frame.rect(0.0, 0.0, width + 4.5, depth + 4.5)], |_| [0.80, 0.77, 0.71]);
    let texture = p.texture([0.18, 0.58, 0.74], [0.36, 0.74, 0.84], 8.0, 0.1);
    p.region("pool", None, &[frame.rect(0.0, 0.0, width, depth)], &texture);
}

/// A straight road across the whole picture along the x axis of `frame`, at `y`.
pub(super) fn straight(frame: &Frame, y: f64) -> [Point; 2] {
    [frame.at(-210.0, y), frame.at(210.0, y)]
}

/// True where the ground under a rectangle of the frame is free of objects, with a margin.
pub(super) fn is_free(p: &Painter, frame: &Frame, width: f64, depth: f64) -> bool {
    let steps = |side: f64| (side / 6.0).ceil() as i64;
    let (columns, rows) = (steps(width + 6.0), steps(depth + 6.0));
    (0..=columns).all(|column| {
        (0..=rows).all(|row| {
            let x = (column as f64 / columns as f64 - 0.5) * (width + 6.0);
            let y = (row as f64 / rows as f64 - 0.5) * (depth + 6.0);
            p.canvas.category_at(frame.at(x, y)).is_empty()
        })
    })
}

/// True where a rectangle of the frame, grown by `margin`, lies inside the picture.
pub(super) fn fits_inside(p: &Painter, frame: &Frame, width: f64, depth: f64, margin: f64) -> bool {
    let (w, d) = (width / 2.0 + margin, depth / 2.0 + margin);
    [pt(-w, -d), pt(w, -d), pt(w, d), pt(-w, d)].iter().all(|corner| p.inside(frame.at(corner.x, corner.y), 0.0))
}

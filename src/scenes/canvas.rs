//! The picture under work: colours, and beside them the label of the object that each pixel shows.

use super::geometry::{Point, Shape, pt};
use super::noise::{Rgb, mix, scaled, value};
use super::{Object, UNITS};
use crate::util::rng::Rng;
use image::{Rgb as Pixel, RgbImage};

/// Number of an object in the order of registration, from 1; 0 is the background.
pub(super) type Label = u16;

/// What a fill does to the labels that it covers.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Keep,
    Set(Label),
}

pub(super) struct Canvas {
    size: usize,
    /// Pixels per unit.
    scale: f64,
    colours: Vec<Rgb>,
    labels: Vec<Label>,
    objects: Vec<Object>,
}

impl Canvas {
    pub(super) fn new(size: u32) -> Self {
        let size = size as usize;
        Self {
            size,
            scale: size as f64 / UNITS,
            colours: vec![[0.0; 3]; size * size],
            labels: vec![0; size * size],
            objects: Vec::new(),
        }
    }

    /// Registers an object; what is painted with its label belongs to it.
    pub(super) fn object(
        &mut self,
        category: &'static str,
        colour: Option<&'static str>,
        size: Option<&'static str>,
    ) -> Label {
        self.objects.push(Object { category, colour, size, bbox: [0; 4], area: 0 });
        self.objects.len() as Label
    }

    /// Category of the object seen at a point; empty for the background and outside.
    pub(super) fn category_at(&self, p: Point) -> &'static str {
        self.index(p)
            .and_then(|index| self.labels.get(index))
            .and_then(|&label| self.objects.get(usize::from(label).wrapping_sub(1)))
            .map_or("", |object| object.category)
    }

    fn index(&self, p: Point) -> Option<usize> {
        let inside = (0.0..UNITS).contains(&p.x) && (0.0..UNITS).contains(&p.y);
        inside.then(|| (p.y * self.scale) as usize * self.size + (p.x * self.scale) as usize)
    }

    /// Fills the union of `shapes`; labels stay, as for markings and small detail.
    pub(super) fn paint(&mut self, shapes: &[Shape], colour: impl Fn(Point) -> Rgb) {
        self.cover(shapes, 1.0 / self.scale, Mark::Keep, |p, old, share| mix(old, colour(p), share));
    }

    /// Fills the union of `shapes` as an object.
    pub(super) fn paint_as(&mut self, label: Label, shapes: &[Shape], colour: impl Fn(Point) -> Rgb) {
        self.cover(shapes, 1.0 / self.scale, Mark::Set(label), |p, old, share| mix(old, colour(p), share));
    }

    /// Fills with an edge that fades over `soft` units.
    pub(super) fn paint_soft(&mut self, label: Label, shapes: &[Shape], soft: f64, colour: impl Fn(Point) -> Rgb) {
        let mark = if label == 0 { Mark::Keep } else { Mark::Set(label) };
        self.cover(shapes, soft.max(1.0 / self.scale), mark, |p, old, share| mix(old, colour(p), share));
    }

    /// Fills as an object with a ragged edge: how far it strays, the size of its teeth, a seed.
    pub(super) fn paint_rough(
        &mut self,
        label: Label,
        shapes: &[Shape],
        edge: (f64, f64, u32),
        colour: impl Fn(Point) -> Rgb,
    ) {
        let (stray, tooth, seed) = edge;
        let reach = stray + 1.0 / self.scale;
        let scale = self.scale;
        self.cover_by(shapes, reach, Mark::Set(label), |p, old, distance| {
            let distance = distance + 2.0 * stray * (value(seed, p.x / tooth, p.y / tooth) - 0.5);
            let share = (0.5 - distance * scale).clamp(0.0, 1.0);
            (share, if share > 0.0 { mix(old, colour(p), share) } else { old })
        });
    }

    /// Darkens the union of `shapes`, a little less in blue, as the sky lights shadows.
    pub(super) fn shade(&mut self, shapes: &[Shape], soft: f64, strength: f64) {
        self.cover(shapes, soft.max(1.0 / self.scale), Mark::Keep, |_, old, share| {
            let keep = |tint: f64| 1.0 - share * strength * tint;
            [old[0] * keep(1.0), old[1] * keep(0.97), old[2] * keep(0.86)]
        });
    }

    /// Repaints every pixel from its place: `colour` gives the share to paint and the colour.
    pub(super) fn wash(&mut self, label: Label, colour: impl Fn(Point) -> (f64, Rgb)) {
        for row in 0..self.size {
            for column in 0..self.size {
                let index = row * self.size + column;
                let (share, new) = colour(self.centre(column, row));
                self.colours[index] = mix(self.colours[index], new, share);
                if label > 0 && share > 0.5 {
                    self.labels[index] = label;
                }
            }
        }
    }

    fn centre(&self, column: usize, row: usize) -> Point {
        pt((column as f64 + 0.5) / self.scale, (row as f64 + 0.5) / self.scale)
    }

    fn cover(&mut self, shapes: &[Shape], soft: f64, mark: Mark, blend: impl Fn(Point, Rgb, f64) -> Rgb) {
        self.cover_by(shapes, soft, mark, |p, old, distance| {
            let share = (0.5 - distance / soft).clamp(0.0, 1.0);
            (share, if share > 0.0 { blend(p, old, share) } else { old })
        });
    }

    /// Visits the pixels nearer than `soft` to the union of `shapes`: `blend` gets the place, the colour so far and the
    /// signed distance, and gives the share covered and the new colour.
    fn cover_by(&mut self, shapes: &[Shape], soft: f64, mark: Mark, blend: impl Fn(Point, Rgb, f64) -> (f64, Rgb)) {
        let bounds: Vec<(Point, Point)> = shapes.iter().map(Shape::bounds).collect();
        let low = |axis: fn(&Point) -> f64| bounds.iter().map(|(low, _)| axis(low)).fold(f64::INFINITY, f64::min);
        let high = |axis: fn(&Point) -> f64| bounds.iter().map(|(_, high)| axis(high)).fold(-1.0, f64::max);
        let pixel = |unit: f64| (unit * self.scale).clamp(0.0, self.size as f64) as usize;
        let columns = pixel(low(|p| p.x) - soft)..pixel(high(|p| p.x) + soft + 1.0 / self.scale);
        let rows = pixel(low(|p| p.y) - soft)..pixel(high(|p| p.y) + soft + 1.0 / self.scale);
        for row in rows {
            for column in columns.clone() {
                let p = self.centre(column, row);
                let near = |(low, high): &(Point, Point)| {
                    p.x > low.x - soft && p.x < high.x + soft && p.y > low.y - soft && p.y < high.y + soft
                };
                let distance = shapes
                    .iter()
                    .zip(&bounds)
                    .filter(|(_, bounds)| near(bounds))
                    .map(|(shape, _)| shape.distance(p))
                    .fold(f64::INFINITY, f64::min);
                if distance < soft {
                    let index = row * self.size + column;
                    let (share, colour) = blend(p, self.colours[index], distance);
                    self.colours[index] = colour;
                    if let (Mark::Set(label), true) = (mark, share > 0.5) {
                        self.labels[index] = label;
                    }
                }
            }
        }
    }

    /// Visible objects of a category so far; slivers at the border do not count.
    pub(super) fn count(&self, category: &str) -> usize {
        self.measured().iter().filter(|(_, object)| object.category == category).count()
    }

    /// Those of [`Self::count`] of one size.
    pub(super) fn count_sized(&self, category: &str, size: &str) -> usize {
        let fits = |object: &Object| object.category == category && object.size == Some(size);
        self.measured().iter().filter(|(_, object)| fits(object)).count()
    }

    /// Visible objects with the box and area that they have in the picture, and their labels.
    fn measured(&self) -> Vec<(Label, Object)> {
        let mut found: Vec<(usize, [usize; 4])> = vec![(0, [usize::MAX, usize::MAX, 0, 0]); self.objects.len() + 1];
        for (index, &label) in self.labels.iter().enumerate() {
            let (column, row) = (index % self.size, index / self.size);
            let (area, [left, top, right, bottom]) = &mut found[usize::from(label)];
            *area += 1;
            (*left, *top) = ((*left).min(column), (*top).min(row));
            (*right, *bottom) = ((*right).max(column), (*bottom).max(row));
        }
        let least = (12.0 * self.scale * self.scale).max(1.0) as usize;
        let objects = self.objects.iter().zip(found.into_iter().skip(1)).zip(1..);
        objects
            .filter(|((_, (area, _)), _)| *area >= least)
            .map(|((object, (area, [left, top, right, bottom])), label)| {
                let bbox = [left, top, right + 1 - left, bottom + 1 - top].map(|side| side as u32);
                (label, Object { bbox, area: area as u32, ..object.clone() })
            })
            .collect()
    }

    /// The finished picture, its objects by falling area (ties in the order drawn), and the rank of the object that
    /// each pixel shows, from 1.
    ///
    /// The camera comes last: gain per channel, paleness, haze, a point spread of about a pixel and noise, each new per
    /// image.
    pub(super) fn develop(self, rng: &mut Rng) -> (RgbImage, Vec<Object>, Vec<u16>) {
        let mut ordered = self.measured();
        ordered.sort_by_key(|(label, object)| (std::cmp::Reverse(object.area), *label));
        let mut ranks = vec![0u16; self.objects.len() + 1];
        for ((label, _), rank) in ordered.iter().zip(1..) {
            ranks[usize::from(*label)] = rank;
        }
        let ranked = self.labels.iter().map(|&label| ranks[usize::from(label)]).collect();

        let exposure = 0.88 + 0.26 * rng.unit();
        let warmth = (rng.unit() - 0.5) * 0.10;
        let gain: Rgb = [exposure * (1.0 + warmth), exposure, exposure * (1.0 - warmth)];
        let haze = 0.08 * rng.unit();
        let pale = 0.06 + 0.20 * rng.unit();
        let blur = 0.05 + 0.10 * rng.unit();
        let noise = 0.012 + 0.02 * rng.unit();
        let seed = rng.next_u64() as u32;
        let last = self.size - 1;
        let mut picture = RgbImage::new(self.size as u32, self.size as u32);
        for (column, row, pixel) in picture.enumerate_pixels_mut() {
            let (x, y) = (column as usize, row as usize);
            let at = |x: usize, y: usize| self.colours[y * self.size + x];
            let around = [
                at(x.saturating_sub(1), y),
                at((x + 1).min(last), y),
                at(x, y.saturating_sub(1)),
                at(x, (y + 1).min(last)),
            ];
            let mut colour = scaled(at(x, y), 1.0 - 4.0 * blur);
            for near in around {
                colour = std::array::from_fn(|c| colour[c] + blur * near[c]);
            }
            let grey = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2];
            colour = mix(colour, [grey; 3], pale);
            let grain = 1.0 + noise * (value(seed, f64::from(column) * 1.7, f64::from(row) * 1.7) - 0.5) * 2.0;
            let hazy = mix(std::array::from_fn(|c| colour[c] * gain[c] * grain), [0.72, 0.76, 0.80], haze);
            *pixel = Pixel(hazy.map(|value| (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8));
        }
        (picture, ordered.into_iter().map(|(_, object)| object).collect(), ranked)
    }
}

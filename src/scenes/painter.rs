//! What every scene kind draws with: a canvas, its own random stream and the light of the day.

use super::canvas::{Canvas, Label};
use super::geometry::{Frame, Point, Shape, direction, pt};
use super::noise::{Rgb, Texture};
use super::{UNITS, words};
use crate::util::rng::Rng;

pub(super) struct Painter {
    pub canvas: Canvas,
    pub rng: Rng,
    /// Stream of the wording, apart from that of the drawing: new sentences do not change pictures.
    pub words: Rng,
    /// Shadow that one unit of height casts, units.
    pub sun: Point,
    /// Darkness of shadows, 0 to 1.
    shadow: f64,
}

impl Painter {
    pub(super) fn new(seed: u64, index: usize, size: u32) -> Self {
        let mut rng = Rng::new(&[seed, index as u64, 1]);
        let sun = direction(rng.unit()) * (0.45 + 0.5 * rng.unit());
        let shadow = 0.42 + 0.2 * rng.unit();
        Self { canvas: Canvas::new(size), rng, words: Rng::new(&[seed, index as u64, 2]), sun, shadow }
    }

    /// Uniform between two numbers.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.unit()
    }

    /// One of some choices, each as likely as the next.
    pub(super) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.below(choices.len())]
    }

    /// A frame near the middle of the picture, turned at random, its origin at most `off` units off along each axis.
    pub(super) fn frame(&mut self, off: f64) -> Frame {
        let origin = pt(UNITS / 2.0 + self.between(-off, off), UNITS / 2.0 + self.between(-off, off));
        Frame::new(origin, self.rng.unit())
    }

    /// A texture with random patches.
    pub(super) fn texture(&mut self, dark: Rgb, light: Rgb, patch: f64, grain: f64) -> Texture {
        Texture::new(&mut self.rng, dark, light, patch, grain)
    }

    /// Covers the whole picture.
    pub(super) fn ground(&mut self, texture: &Texture) {
        self.canvas.wash(0, |p| (1.0, texture.at(p)));
    }

    /// The shadow of things of one height on what is painted so far.
    pub(super) fn shadow(&mut self, shapes: &[Shape], height: f64) {
        let swept: Vec<Shape> = shapes.iter().flat_map(|shape| shape.swept(self.sun * height)).collect();
        self.canvas.shade(&swept, 1.2, self.shadow);
    }

    /// A labelled fill with a texture.
    pub(super) fn region(
        &mut self,
        category: &'static str,
        colour: Option<&'static str>,
        shapes: &[Shape],
        texture: &Texture,
    ) -> Label {
        let label = self.canvas.object(category, colour, None);
        self.canvas.paint_as(label, shapes, |p| texture.at(p));
        label
    }

    /// True where no object lies within `radius` of `p` (eight places around and the middle are looked at); trees
    /// may stand under trees where `among_trees` says so.
    pub(super) fn free(&self, p: Point, radius: f64, among_trees: bool) -> bool {
        let clear = |q: Point| {
            let category = self.canvas.category_at(q);
            category.is_empty() || (among_trees && category == "tree")
        };
        clear(p) && (0..8).all(|eighth| clear(p + direction(f64::from(eighth) / 8.0) * radius))
    }

    /// True where a disc lies wholly inside the picture.
    pub(super) fn inside(&self, p: Point, radius: f64) -> bool {
        let within = |v: f64| v >= radius && v <= UNITS - radius;
        within(p.x) && within(p.y)
    }

    /// Up to `count` places inside the picture at least `apart` units from each other, `margin` from the border,
    /// for which `fits` holds.
    pub(super) fn scatter(
        &mut self,
        count: usize,
        apart: f64,
        margin: f64,
        fits: impl Fn(&Self, Point) -> bool,
    ) -> Vec<Point> {
        let mut places: Vec<Point> = Vec::new();
        for _ in 0..count * 40 {
            if places.len() == count {
                break;
            }
            let p = pt(self.between(margin, UNITS - margin), self.between(margin, UNITS - margin));
            if places.iter().all(|&q| (p - q).length() >= apart) && fits(self, p) {
                places.push(p);
            }
        }
        places
    }

    /// One wording of some, by the stream of the words.
    pub(super) fn say<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        self.words.pick(choices).copied().unwrap_or_default()
    }

    /// "five white boats"; from 7 "several", from 10 "many" or "lots of".
    pub(super) fn counted(&mut self, count: usize, noun: &str) -> String {
        words::counted(count, noun, &mut self.words)
    }
}

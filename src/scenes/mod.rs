//! The built-in scenes: a small captioning dataset, rendered, deterministic and free of any licence.
//!
//! Every picture is an overhead view of one of [`KINDS`]. Its captions tell what was drawn (counts, colours, sizes,
//! arrangement, neighbours), so that they can be learnt from the pixels only. All randomness comes from the seed and
//! the image's number, all arithmetic is exact to the bit: equal options give equal bytes on every machine.

mod canvas;
mod files;
mod geometry;
mod kinds;
mod nature;
mod noise;
mod painter;
mod structures;
mod surroundings;
mod vehicles;
mod words;

pub use files::{Options, Summary, generate};
pub use kinds::{KINDS, SceneKind};

use image::RgbImage;
use painter::Painter;
use serde::Serialize;

/// Side of every picture in drawing units, whatever its size in pixels.
const UNITS: f64 = 256.0;

/// Captions per image.
pub const CAPTIONS: usize = 5;

/// Words that a caption has at most, if enough of the kind's sentences keep to it.
const LONGEST: usize = 16;

/// Something that can be seen in a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Object {
    pub category: &'static str,
    /// Where the captions may tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<&'static str>,
    /// "large" or "small", where the captions may tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<&'static str>,
    /// Left, top, width and height of what is visible, pixels.
    pub bbox: [u32; 4],
    /// Visible pixels.
    pub area: u32,
}

/// A picture with all that is known about it.
#[derive(Debug, Clone)]
pub struct Scene {
    pub class: &'static str,
    pub image: RgbImage,
    /// By falling area.
    pub objects: Vec<Object>,
    /// For each pixel, row by row: place of its object in `objects` counted from 1; 0 for the background.
    pub ranks: Vec<u16>,
    /// [`CAPTIONS`] different sentences: lower-case words without the final stop.
    pub captions: Vec<String>,
}

impl Scene {
    /// The mask picture: each object in the flat colour of its rank, the background black.
    pub fn mask(&self) -> RgbImage {
        let mut mask = RgbImage::new(self.image.width(), self.image.height());
        for (pixel, &rank) in mask.pixels_mut().zip(&self.ranks) {
            pixel.0 = mask_colour(rank);
        }
        mask
    }
}

/// Colour of the object of a rank in mask pictures: black for 0, else one of its own, from 64 up in each channel.
///
/// The channels step by the powers of 1 / 1.2207 (the R3 sequence of Roberts), so that near ranks look different.
pub fn mask_colour(rank: u16) -> [u8; 3] {
    if rank == 0 {
        return [0; 3];
    }
    [0.819_172_513_396_164_4, 0.671_043_606_703_789_2, 0.549_700_477_901_970_2].map(|step| {
        let place = f64::from(rank) * step;
        64 + ((place - place.floor()) * 192.0) as u8
    })
}

/// Renders image number `index` of the set with this seed as a scene of `kind`, `size` pixels wide and high.
pub fn render(kind: &SceneKind, seed: u64, index: usize, size: u32) -> Scene {
    let mut painter = Painter::new(seed, index, size);
    let sentences = (kind.draw)(&mut painter);
    let Painter { canvas, mut rng, words: mut wording, .. } = painter;
    let (image, objects, ranks) = canvas.develop(&mut rng);
    let mut captions: Vec<String> = Vec::new();
    for sentence in sentences {
        let sentence = words::varied(&sentence, &mut wording);
        if !captions.contains(&sentence) {
            captions.push(sentence);
        }
    }
    wording.shuffle(&mut captions);
    captions.sort_by_key(|caption| caption.split(' ').count() > LONGEST);
    captions.truncate(CAPTIONS);
    Scene { class: kind.class, image, objects, ranks, captions }
}

//! Rotation, flips, scaling, cropping and colour jitter of RGB images, drawn from a seed.

use crate::util::rng::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far an image may be changed; every amount is drawn uniformly from `-x..x` or as said. All zero changes nothing.
///
/// CSSA (section 3.4.1) names the kinds of change and no amounts: these are usual ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageAugment {
    /// Degrees, to either side.
    pub rotation: f64,
    /// Probability of a flip left to right, and of one top to bottom.
    pub flip: f64,
    /// Enlarged or shrunk by a factor of up to `1 + scale`, what is beyond the border being mirrored.
    pub scale: f64,
    /// Part of each side that a crop may cut away.
    pub crop: f64,
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    /// Turn of the hues; 1 is the full circle.
    pub hue: f64,
}

impl Default for ImageAugment {
    fn default() -> Self {
        Self {
            rotation: 30.0,
            flip: 0.5,
            scale: 0.2,
            crop: 0.2,
            brightness: 0.2,
            contrast: 0.2,
            saturation: 0.2,
            hue: 0.05,
        }
    }
}

impl ImageAugment {
    /// A changed copy of each image of a batch: `pixels` holds images of `size` x `size`, rows of RGB bytes, one after
    /// the other, and `seeds` one number each. An image's result depends on its pixels and its number alone.
    pub fn apply_all(&self, pixels: &[u8], size: u32, seeds: &[u64]) -> Vec<u8> {
        let bytes = 3 * (size as usize).pow(2);
        let mut changed = vec![0; bytes * seeds.len()];
        let images = pixels.par_chunks_exact(bytes.max(1)).zip(changed.par_chunks_exact_mut(bytes.max(1)));
        images.zip(seeds).for_each(|((image, changed), &seed)| self.apply(image, size, seed, changed));
        changed
    }

    /// A changed copy of one image, written to `changed`.
    fn apply(&self, image: &[u8], size: u32, seed: u64, changed: &mut [u8]) {
        let mut rng = Rng::new(&[seed]);
        let place = Placement::draw(self, f64::from(size), &mut rng);
        place.resample(image, size as usize, changed);
        Colours::draw(self, changed, &mut rng).apply(changed);
    }
}

/// Uniform in `-reach..reach`.
fn around(rng: &mut Rng, reach: f64) -> f64 {
    (2.0 * rng.unit() - 1.0) * reach
}

/// Where each pixel of the result comes from: `source = matrix * (x, y) + offset`.
struct Placement {
    matrix: [f32; 4],
    offset: [f32; 2],
}

impl Placement {
    /// The crop, enlarged to the whole, of the image scaled, turned and flipped about its centre: one map, so that
    /// pixels are interpolated once.
    fn draw(settings: &ImageAugment, size: f64, rng: &mut Rng) -> Self {
        let angle = around(rng, settings.rotation).to_radians();
        let mut flip = || if rng.chance(settings.flip) { -1.0 } else { 1.0 };
        let (flip_x, flip_y) = (flip(), flip());
        let scale = (around(rng, 1.0) * settings.scale.ln_1p()).exp();
        let part = 1.0 - rng.unit() * settings.crop;
        let (left, top) = (rng.unit() * (1.0 - part) * size, rng.unit() * (1.0 - part) * size);
        let (sin, cos) = (angle.sin() / scale, angle.cos() / scale);
        let matrix = [part * cos * flip_x, -part * sin * flip_x, part * sin * flip_y, part * cos * flip_y];
        // From the middle of a pixel to the crop, about the centre, turned, and back to the middle of a pixel.
        let centre = size / 2.0;
        let (x, y) = (part * 0.5 + left - centre, part * 0.5 + top - centre);
        let offset = [(cos * x - sin * y) * flip_x + centre - 0.5, (sin * x + cos * y) * flip_y + centre - 0.5];
        Self { matrix: matrix.map(|v| v as f32), offset: offset.map(|v| v as f32) }
    }

    fn resample(&self, image: &[u8], size: usize, changed: &mut [u8]) {
        if size == 0 {
            return;
        }
        let [a, b, c, d] = self.matrix;
        for (y, row) in changed.chunks_exact_mut(3 * size).enumerate() {
            let (from_x, from_y) = (b * y as f32 + self.offset[0], d * y as f32 + self.offset[1]);
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                let (source_x, source_y) = (a * x as f32 + from_x, c * x as f32 + from_y);
                let (left, top) = (source_x.floor(), source_y.floor());
                let (wx, wy) = (source_x - left, source_y - top);
                let columns = [mirrored(left as i32, size), mirrored(left as i32 + 1, size)];
                let rows = [mirrored(top as i32, size), mirrored(top as i32 + 1, size)];
                for (channel, value) in pixel.iter_mut().enumerate() {
                    let at = |row: usize, column: usize| f32::from(image[3 * (row * size + column) + channel]);
                    let upper = at(rows[0], columns[0]) * (1.0 - wx) + at(rows[0], columns[1]) * wx;
                    let lower = at(rows[1], columns[0]) * (1.0 - wx) + at(rows[1], columns[1]) * wx;
                    *value = (upper * (1.0 - wy) + lower * wy + 0.5) as u8;
                }
            }
        }
    }
}

/// The place within `0..size` that mirrors show at `place`.
fn mirrored(place: i32, size: usize) -> usize {
    let size = size as i32;
    if (0..size).contains(&place) {
        return place as usize;
    }
    let folded = place.rem_euclid(2 * size);
    (if folded < size { folded } else { 2 * size - 1 - folded }) as usize
}

/// Share of each channel in the brightness (ITU-R BT.601).
const GREY: [f64; 3] = [0.299, 0.587, 0.114];

/// Brightness, contrast, saturation and hue as one affine map of RGB: each of them is one, so pixels are read once.
struct Colours {
    matrix: [[f64; 3]; 3],
    offset: f64,
}

impl Colours {
    fn draw(settings: &ImageAugment, pixels: &[u8], rng: &mut Rng) -> Self {
        let brightness = 1.0 + around(rng, settings.brightness);
        let contrast = 1.0 + around(rng, settings.contrast);
        let saturation = 1.0 + around(rng, settings.saturation);
        let turn = around(rng, settings.hue) * std::f64::consts::TAU;
        let mut sums = [0u64; 3];
        for pixel in pixels.chunks_exact(3) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &value)| *sum += u64::from(value));
        }
        let count = (pixels.len() / 3).max(1) as f64;
        let mean: f64 = sums.iter().zip(GREY).map(|(&sum, share)| sum as f64 / count * share).sum();
        // Contrast spreads about the mean brightness; the two chroma axes below leave grey, and so the offset, alone.
        let gain = brightness * contrast;
        let mut matrix = product(&turned(turn), &desaturated(saturation));
        matrix.iter_mut().flatten().for_each(|value| *value *= gain);
        Self { matrix, offset: brightness * (1.0 - contrast) * mean }
    }

    fn apply(&self, pixels: &mut [u8]) {
        let matrix = self.matrix.map(|row| row.map(|value| value as f32));
        let offset = self.offset as f32 + 0.5;
        for pixel in pixels.chunks_exact_mut(3) {
            let [r, g, b] = [f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])];
            for (value, row) in pixel.iter_mut().zip(&matrix) {
                *value = (row[0] * r + row[1] * g + row[2] * b + offset) as u8; // a cast to u8 stays within 0..=255
            }
        }
    }
}

/// `amount` of the colour and `1 - amount` of the grey of equal brightness.
fn desaturated(amount: f64) -> [[f64; 3]; 3] {
    let mut matrix = [GREY.map(|share| share * (1.0 - amount)); 3];
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += amount;
    }
    matrix
}

/// A turn about the grey axis (Rodrigues' formula).
fn turned(angle: f64) -> [[f64; 3]; 3] {
    let (sin, cos) = angle.sin_cos();
    let (third, root) = ((1.0 - cos) / 3.0, sin / 3f64.sqrt());
    [
        [cos + third, third - root, third + root],
        [third + root, cos + third, third - root],
        [third - root, third + root, cos + third],
    ]
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    a.map(|row| [0, 1, 2].map(|j| row.iter().zip(b).map(|(value, other)| value * other[j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: ImageAugment = ImageAugment {
        rotation: 0.0,
        flip: 0.0,
        scale: 0.0,
        crop: 0.0,
        brightness: 0.0,
        contrast: 0.0,
        saturation: 0.0,
        hue: 0.0,
    };

    fn picture(size: u32) -> Vec<u8> {
        let mut rng = Rng::new(&[size.into()]);
        (0..3 * size * size).map(|_| rng.below(256) as u8).collect()
    }

    fn changed(settings: &ImageAugment, image: &[u8], size: u32, seed: u64) -> Vec<u8> {
        settings.apply_all(image, size, &[seed])
    }

    #[test]
    fn settings_of_zero_change_nothing() {
        let image = picture(17);
        assert_eq!(changed(&NOTHING, &image, 17, 3), image);
    }

    #[test]
    fn certain_flips_turn_the_image_by_half_a_circle() {
        let image = picture(8);
        let turned: Vec<u8> = image.chunks(3).rev().flatten().copied().collect();
        assert_eq!(changed(&ImageAugment { flip: 1.0, ..NOTHING }, &image, 8, 1), turned);
    }

    #[test]
    fn a_quarter_turn_moves_corners_to_corners() {
        let mut image = vec![0; 3 * 9 * 9];
        image[..3].fill(200); // the upper left corner
        let settings = ImageAugment { rotation: 90.0, ..NOTHING };
        let place = Placement { matrix: [0.0, -1.0, 1.0, 0.0], offset: [8.0, 0.0] };
        let mut expected = vec![0; image.len()];
        place.resample(&image, 9, &mut expected);
        assert_eq!(expected.chunks(3).position(|pixel| pixel[0] == 200), Some(8 * 9));
        assert_ne!(changed(&settings, &image, 9, 4), image);
    }

    #[test]
    fn a_result_depends_on_pixels_and_seed_alone() {
        let settings = ImageAugment::default();
        let (one, two) = (picture(16), picture(16).into_iter().rev().collect::<Vec<u8>>());
        let both = settings.apply_all(&[one.clone(), two.clone()].concat(), 16, &[5, 6]);
        assert_eq!(both, [changed(&settings, &one, 16, 5), changed(&settings, &two, 16, 6)].concat());
        assert_ne!(changed(&settings, &one, 16, 5), changed(&settings, &one, 16, 6));
    }

    #[test]
    fn colours_change_as_named() {
        let colours = |settings: &ImageAugment, image: &[u8]| changed(settings, image, 2, 11);
        let grey = vec![100u8; 12];
        for settings in [ImageAugment { saturation: 0.9, ..NOTHING }, ImageAugment { hue: 0.5, ..NOTHING }] {
            assert_eq!(colours(&settings, &grey), grey, "grey has neither saturation nor hue");
        }
        let contrast = ImageAugment { contrast: 0.9, ..NOTHING };
        assert_eq!(colours(&contrast, &grey), grey, "an even image has no contrast");
        let bright = colours(&ImageAugment { brightness: 0.5, ..NOTHING }, &grey);
        assert!(bright.iter().all(|&value| value == bright[0] && value != 100));
        let third = std::f64::consts::TAU / 3.0;
        let red = turned(third).map(|row| row[0].round());
        assert_eq!(red, [0.0, 1.0, 0.0], "a third of the circle makes red green");
    }
}

//! Objects as a picture.

use super::{Labels, MaskMode};
use crate::scenes::mask_colour;
use ::image::{Rgb, RgbImage};

/// Draws the objects of an image; colours go by rank and are the same in every image. Labels of another size are
/// stretched.
pub fn draw(image: &RgbImage, labels: &Labels, mode: MaskMode, opacity: f64) -> RgbImage {
    let (width, height) = image.dimensions();
    let labels = labels.resized(width, height);
    let rank = |x: u32, y: u32| labels.ranks.get((y * width + x) as usize).copied().unwrap_or(0);
    // In 1/65536, so that the picture is the same on every machine.
    let cover = (opacity * 65536.0).round() as u32;
    RgbImage::from_fn(width, height, |x, y| {
        let (rank_here, colour) = (rank(x, y), *image.get_pixel(x, y));
        let painted = Rgb(mask_colour(rank_here));
        match mode {
            MaskMode::Solid => painted,
            _ if rank_here == 0 => colour,
            MaskMode::Overlay | MaskMode::Picture => Rgb(std::array::from_fn(|c| {
                let mixed = u32::from(colour[c]) * (65536 - cover) + u32::from(painted[c]) * cover;
                ((mixed + 32768) >> 16) as u8
            })),
            MaskMode::Edges => {
                let around = [
                    (x.saturating_sub(1), y),
                    ((x + 1).min(width - 1), y),
                    (x, y.saturating_sub(1)),
                    (x, (y + 1).min(height - 1)),
                ];
                if around.iter().any(|&(x, y)| rank(x, y) != rank_here) { painted } else { colour }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_paint_what_they_say() {
        let image = RgbImage::from_pixel(5, 5, Rgb([100, 50, 0]));
        // A square of 3 x 3 in the middle.
        let inside = |at: usize| (1..4).contains(&(at % 5)) && (1..4).contains(&(at / 5));
        let labels = Labels { width: 5, height: 5, ranks: (0..25).map(|at| u16::from(inside(at))).collect() };
        let colour = mask_colour(1);
        let at = |mode, x, y| draw(&image, &labels, mode, 0.35).get_pixel(x, y).0;
        assert_eq!((at(MaskMode::Solid, 0, 0), at(MaskMode::Solid, 2, 2)), ([0; 3], colour));
        assert_eq!(at(MaskMode::Overlay, 0, 0), [100, 50, 0]);
        let mixed =
            [100.0, 50.0, 0.0].iter().zip(colour).map(|(image, colour)| 0.65 * image + 0.35 * f64::from(colour));
        for (found, expected) in at(MaskMode::Overlay, 2, 2).into_iter().zip(mixed) {
            assert!((f64::from(found) - expected).abs() <= 0.51, "{found}, not {expected}");
        }
        assert_eq!((at(MaskMode::Edges, 1, 1), at(MaskMode::Edges, 2, 2)), (colour, [100, 50, 0]));
        assert_eq!(at(MaskMode::Edges, 0, 2), [100, 50, 0]);
    }
}

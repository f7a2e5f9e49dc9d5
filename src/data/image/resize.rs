//! Resizing as Pillow does it and normalisation as torchvision does it.

use ::image::RgbImage;
use anyhow::{Context, Result, bail};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// Mean of ImageNet's red, green and blue, of values from 0 to 1.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the same.
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// How pixels are weighed, the filter widened when shrinking, as Pillow does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Filter {
    #[default]
    Bilinear,
    /// Catmull-Rom splines (a = -0.5).
    Bicubic,
}

impl Filter {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }
}

/// Resizes to `size` x `size` whatever the shape: bilinear with the filter widened when shrinking, which is Pillow's
/// `resize((S, S), BILINEAR)` and torchvision's `Resize((S, S), antialias=True)` to within 1 of 255. Gives bytes by
/// row, column, then red, green, blue.
pub fn resize(image: &RgbImage, size: u32) -> Result<Vec<u8>> {
    resize_to(image, size, size)
}

/// [`resize`] to a width and a height of their own.
pub fn resize_to(image: &RgbImage, width: u32, height: u32) -> Result<Vec<u8>> {
    resize_by(image, width, height, Filter::Bilinear)
}

/// [`resize_to`] by a filter.
pub fn resize_by(image: &RgbImage, width: u32, height: u32, filter: Filter) -> Result<Vec<u8>> {
    let filter = match filter {
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
    };
    for side in [width, height] {
        if side == 0 || side > super::MAX_SIDE {
            bail!("the image size is {side}; it must be 1 to {}", super::MAX_SIDE);
        }
    }
    if (width, height) == image.dimensions() {
        return Ok(image.as_raw().clone());
    }
    if filter == FilterType::CatmullRom && image.width() != width && image.height() != height {
        // Pillow's order of the passes, which tells where the filter overshoots what a byte can hold; the library's is
        // the other.
        let across = resize_by(image, width, image.height(), Filter::Bicubic)?;
        let across = RgbImage::from_raw(width, image.height(), across).context("the resized image has another size")?;
        return resize_by(&across, width, height, Filter::Bicubic);
    }
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)?;
    let mut resized = vec![0; width as usize * height as usize * 3];
    let mut target = Image::from_slice_u8(width, height, &mut resized, PixelType::U8x3)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    Resizer::new().resize(&source, &mut target, &options).context("cannot resize the image")?;
    Ok(resized)
}

/// `(value / 255 - MEAN) / STD` for each value a byte can have, by channel: 3 kB that stay in the first cache, and
/// results equal to torchvision's to the bit.
const NORMALIZED: [[f32; 256]; 3] = {
    let mut table = [[0.0; 256]; 3];
    let mut channel = 0;
    while channel < 3 {
        let mut value = 0;
        while value < 256 {
            table[channel][value] = (value as f32 / 255.0 - MEAN[channel]) / STD[channel];
            value += 1;
        }
        channel += 1;
    }
    table
};

/// Normalises [`resize`]'s bytes by ImageNet's mean and deviation into planes of red, green and blue. Both slices have
/// the same length, 3 x height x width.
pub fn normalize(pixels: &[u8], planes: &mut [f32]) -> Result<()> {
    let plane = planes.len() / 3;
    if pixels.len() != planes.len() || plane * 3 != planes.len() {
        bail!("{} bytes do not fit {} normalised values of three channels", pixels.len(), planes.len());
    }
    let (red, rest) = planes.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    let [reds, greens, blues] = &NORMALIZED;
    for (((pixel, red), green), blue) in pixels.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
        *red = reds[usize::from(pixel[0])];
        *green = greens[usize::from(pixel[1])];
        *blue = blues[usize::from(pixel[2])];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalising_separates_the_channels() {
        let mut planes = [0.0; 6];
        normalize(&[0, 128, 255, 255, 0, 1], &mut planes).unwrap();
        let expected = |value: u8, c: usize| (f32::from(value) / 255.0 - MEAN[c]) / STD[c];
        let wanted =
            [expected(0, 0), expected(255, 0), expected(128, 1), expected(0, 1), expected(255, 2), expected(1, 2)];
        assert_eq!(planes, wanted);
        assert!(normalize(&[0; 5], &mut planes).is_err());
        assert!(normalize(&[0; 4], &mut [0.0; 4]).is_err());
    }

    #[test]
    fn an_even_colour_stays_and_the_right_size_is_untouched() {
        let even = RgbImage::from_pixel(7, 300, ::image::Rgb([9, 200, 31]));
        assert!(resize(&even, 13).unwrap().chunks(3).all(|pixel| pixel == [9, 200, 31]));
        let image = RgbImage::from_fn(4, 4, |x, y| ::image::Rgb([x as u8, y as u8, 7]));
        assert_eq!(&resize(&image, 4).unwrap(), image.as_raw());
        assert!(resize(&image, 0).is_err());
    }
}

//! Between the pixels of an image and those of the square that the image encoder sees.

use crate::data::image::{MEAN, STD, resize_to};
use ::image::RgbImage;
use anyhow::Result;
use tch::{Kind, Tensor};

/// An image of `width` x `height` within a square of `side` pixels: as large as fits, in the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub side: i64,
    pub width: i64,
    pub height: i64,
}

impl Frame {
    pub fn new(side: i64, width: u32, height: u32) -> Self {
        Self { side, width: width.into(), height: height.into() }
    }

    /// Width and height of the image within the square.
    pub fn inner(&self) -> (i64, i64) {
        let scale = self.side as f64 / self.width.max(self.height).max(1) as f64;
        let scaled = |length: i64| ((length as f64 * scale + 0.5) as i64).max(1);
        (scaled(self.width), scaled(self.height))
    }

    /// The pixels, resized as Pillow does, normalised by ImageNet's mean and deviation, with zeros beside them:
    /// `[1, 3, side, side]`.
    pub fn pixels(&self, image: &RgbImage) -> Result<Tensor> {
        let (width, height) = self.inner();
        let bytes = resize_to(image, u32::try_from(width)?, u32::try_from(height)?)?;
        let pixels = Tensor::from_slice(&bytes).view([height, width, 3]).permute([2, 0, 1]).to_kind(Kind::Float);
        let of_bytes = |values: [f32; 3]| Tensor::from_slice(&values.map(|value| 255.0 * value)).view([3, 1, 1]);
        let normal = (pixels - of_bytes(MEAN)) / of_bytes(STD);
        Ok(normal.constant_pad_nd([0, self.side - width, 0, self.side - height]).unsqueeze(0))
    }

    /// A point of the image, `(x, y)`, in pixels of the square.
    pub fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (width, height) = self.inner();
        [x * (width as f64 / self.width as f64), y * (height as f64 / self.height as f64)]
    }

    /// Logits of the square, `[K, h, w]`, for each pixel of the image, `[K, height, width]`: bilinear to the square,
    /// without what lies beside the image, bilinear to the image.
    pub fn masks(&self, logits: &Tensor) -> Tensor {
        let (width, height) = self.inner();
        let square = logits.unsqueeze(0).upsample_bilinear2d([self.side, self.side], false, None, None);
        let image = square.narrow(2, 0, height).narrow(3, 0, width);
        if (width, height) == (self.width, self.height) {
            return image.squeeze_dim(0);
        }
        image.upsample_bilinear2d([self.height, self.width], false, None, None).squeeze_dim(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_long_side_fills_the_square() {
        assert_eq!(Frame::new(1024, 253, 256).inner(), (1012, 1024));
        assert_eq!(Frame::new(1024, 4000, 3).inner(), (1024, 1));
        assert_eq!(Frame::new(1024, 3000, 2001).inner(), (1024, 683));
        assert_eq!(Frame::new(1024, 512, 256).point([256.0, 255.5]), [512.0, 511.0]);
    }

    #[test]
    fn pixels_are_normalised_and_the_rest_is_zero() {
        let image = RgbImage::from_pixel(4, 2, ::image::Rgb([255, 0, 128]));
        let pixels = Frame::new(8, 4, 2).pixels(&image).unwrap();
        assert_eq!(pixels.size(), [1, 3, 8, 8]);
        assert!((pixels.double_value(&[0, 0, 3, 7]) - (255.0 - 123.675) / 58.395).abs() < 1e-5);
        assert!((pixels.double_value(&[0, 1, 0, 0]) + 116.28 / 57.12).abs() < 1e-5);
        assert_eq!(pixels.narrow(2, 4, 4).abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn masks_lie_where_the_image_lies() {
        let frame = Frame::new(16, 8, 4);
        let logits = Tensor::arange(16, (Kind::Float, Device::Cpu)).view([1, 4, 4]);
        let masks = frame.masks(&logits);
        assert_eq!(masks.size(), [1, 4, 8]);
        // The lower half of the square lies below the image: values from 9 to 15 are not seen.
        assert!(masks.max().double_value(&[]) < 9.0);
    }
}

//! Rows and the image each belongs to: tokens of captions in training, hypotheses in a search.

use crate::runtime::libtorch::upload;
use tch::{Device, Tensor};

/// Places of `R` rows in `[I, W]`, the rows of an image side by side: all of them look at one copy of the image's keys
/// and values.
#[derive(Debug)]
pub struct ImageRows {
    images: i64,
    /// Most rows of an image.
    width: i64,
    /// `[R]` Int64, `image * W + slot`; `None` where row `i` is at place `i`.
    places: Option<Tensor>,
}

impl ImageRows {
    /// `rows`, `[R]` Int64: the image of each row, below `images`.
    pub fn new(rows: &Tensor, images: i64) -> Self {
        let of: Vec<i64> = Vec::try_from(rows.to_device(Device::Cpu)).unwrap_or_default();
        let mut used = vec![0i64; images.max(0) as usize];
        let mut slots = Vec::with_capacity(of.len());
        for &image in &of {
            let slot = &mut used[image as usize];
            slots.push(*slot);
            *slot += 1;
        }
        let width = used.iter().copied().max().unwrap_or(0).max(1);
        let places: Vec<i64> = of.iter().zip(&slots).map(|(image, slot)| image * width + slot).collect();
        let full = places.len() as i64 == images * width && (0..).zip(&places).all(|(row, &place)| row == place);
        Self { images, width, places: (!full).then(|| upload(&places, rows.device())) }
    }

    /// `[R, D]` -> `[I, W, D]`, zero where an image has fewer rows.
    pub fn spread(&self, xs: &Tensor) -> Tensor {
        let shape = [self.images, self.width, xs.size()[1]];
        match &self.places {
            None => xs.view(shape),
            Some(places) => {
                let zeros = Tensor::zeros([self.images * self.width, shape[2]], (xs.kind(), xs.device()));
                zeros.index_copy(0, places, xs).view(shape)
            }
        }
    }

    /// `[I, W, D]` -> `[R, D]`.
    pub fn gather(&self, xs: &Tensor) -> Tensor {
        let flat = xs.flatten(0, 1);
        self.places.as_ref().map_or_else(|| flat.shallow_clone(), |places| flat.index_select(0, places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn rows_lie_with_their_image_and_come_back_in_order() {
        let xs = (Tensor::arange(5, (Kind::Float, Device::Cpu)) + 1.0).unsqueeze(1);
        let layout = ImageRows::new(&Tensor::from_slice(&[1i64, 0, 1, 1, 2]), 3);
        let spread = layout.spread(&xs);
        assert_eq!(Vec::<f32>::try_from(spread.flatten(0, -1)).unwrap(), [2.0, 0.0, 0.0, 1.0, 3.0, 4.0, 5.0, 0.0, 0.0]);
        assert_eq!(layout.gather(&spread), xs);
        let even = ImageRows::new(&Tensor::from_slice(&[0i64, 0, 1, 1]), 2);
        assert!(even.places.is_none());
    }
}

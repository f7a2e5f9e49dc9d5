//! From packed sequences, which everything token by token works on, to padded ones, which attention needs, and back.

use crate::runtime::libtorch::upload;
use tch::{Device, Tensor};

/// Where the `N` tokens of a packed batch lie in a padded one, `[B, T]`: rows longest first, padding at their ends.
#[derive(Debug)]
pub struct PackedLayout {
    /// Sequences, B.
    pub rows: i64,
    /// Steps of the longest, T.
    pub length: i64,
    /// `[N]` Int64: the time of each token.
    pub times: Tensor,
    /// `[B]` Int64: the last token of each row.
    pub last: Tensor,
    /// `[N]` Int64: `row * T + time` of each token.
    places: Tensor,
}

impl PackedLayout {
    /// Of [`crate::data::batch::PackedCaptions::batch_sizes`]: sequences still running at each time.
    pub fn new(batch_sizes: &[i64], device: Device) -> Self {
        let rows = batch_sizes.first().copied().unwrap_or(0);
        let length = batch_sizes.len() as i64;
        let (mut times, mut places) = (Vec::new(), Vec::new());
        let mut last = vec![0; rows as usize];
        for (time, &running) in (0..).zip(batch_sizes) {
            for (row, last) in (0..running).zip(&mut last) {
                *last = times.len() as i64;
                times.push(time);
                places.push(row * length + time);
            }
        }
        let tensor = |values: &[i64]| upload(values, device);
        Self { rows, length, times: tensor(&times), last: tensor(&last), places: tensor(&places) }
    }

    /// `[N, D]` -> `[B, T, D]`, zero where there is no token.
    pub fn pad(&self, xs: &Tensor) -> Tensor {
        let width = xs.size()[1];
        if xs.size()[0] == self.rows * self.length && self.rows == 1 {
            return xs.unsqueeze(0);
        }
        let zeros = Tensor::zeros([self.rows * self.length, width], (xs.kind(), xs.device()));
        zeros.index_copy(0, &self.places, xs).view([self.rows, self.length, width])
    }

    /// `[B, T, D]` -> `[N, D]`.
    pub fn pack(&self, xs: &Tensor) -> Tensor {
        xs.flatten(0, 1).index_select(0, &self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn padding_puts_every_token_in_its_row_and_packing_undoes_it() {
        let layout = PackedLayout::new(&[3, 3, 1], Device::Cpu);
        let xs = (Tensor::arange(7, (Kind::Float, Device::Cpu)) + 1.0).unsqueeze(1);
        let padded = layout.pad(&xs);
        let values = Vec::<f32>::try_from(padded.flatten(0, -1)).unwrap();
        assert_eq!(values, [1.0, 4.0, 7.0, 2.0, 5.0, 0.0, 3.0, 6.0, 0.0]);
        assert_eq!(layout.pack(&padded), xs);
        assert_eq!(Vec::<i64>::try_from(&layout.last).unwrap(), [6, 4, 5]);
        assert_eq!(Vec::<i64>::try_from(&layout.times).unwrap(), [0, 0, 0, 1, 1, 1, 2]);
    }
}

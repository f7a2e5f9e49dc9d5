//! Captions of one training step as tensors, without padding.

use crate::runtime::libtorch::upload;
use tch::{Device, Kind, Tensor};

/// `B` captions packed time-major, as `pack_padded_sequence` does: first every caption's token at time 0, longest
/// caption first, then every token at time 1, and so on; `N` tokens in all, none of them padding.
#[derive(Debug)]
pub struct PackedCaptions {
    /// `[N]` Int64: `<start> w1 .. wn`.
    pub inputs: Tensor,
    /// `[N]` Int64: `w1 .. wn <end>`.
    pub targets: Tensor,
    /// Captions still running at each time, on the host. Never rises.
    pub batch_sizes: Vec<i64>,
    /// `[N]` Int64: the caption (row of [`Self::order`]) of each token.
    pub rows: Tensor,
    /// `[N]` Int64: the place of each token in a padded `[B, T]`, rows one after another.
    pub places: Tensor,
    /// For every row, longest first, its position in the list that was packed.
    pub order: Vec<usize>,
    /// `[N]` Float: what each token's loss counts; all alike where there is none.
    pub weights: Option<Tensor>,
    /// Share of the target's probability that is spread over the whole vocabulary.
    pub smoothing: f64,
}

impl PackedCaptions {
    /// Packs captions, each `<start> w1 .. wn <end>`. Captions of fewer than two tokens hold nothing to predict and are
    /// left out.
    pub fn new(captions: &[&[i64]], device: Device) -> Self {
        let steps = |index: &usize| captions[*index].len() - 1;
        let mut order: Vec<usize> = (0..captions.len()).filter(|&i| captions[i].len() > 1).collect();
        order.sort_by_key(|i| std::cmp::Reverse(steps(i))); // stable: equal lengths keep their order
        let longest = order.first().map_or(0, steps);
        let total: usize = order.iter().map(steps).sum();
        let (mut inputs, mut targets, mut rows, mut places) = (
            Vec::with_capacity(total),
            Vec::with_capacity(total),
            Vec::with_capacity(total),
            Vec::with_capacity(total),
        );
        let mut batch_sizes = Vec::with_capacity(longest);
        for time in 0..longest {
            let running = order.partition_point(|index| steps(index) > time);
            batch_sizes.push(running as i64);
            for (row, &index) in order[..running].iter().enumerate() {
                inputs.push(captions[index][time]);
                targets.push(captions[index][time + 1]);
                rows.push(row as i64);
                places.push((row * longest + time) as i64);
            }
        }
        // One copy to the device.
        let all = upload(&[inputs, targets, rows, places].concat(), device);
        let part = |index: i64| all.narrow(0, index * total as i64, total as i64);
        let (inputs, targets, rows, places) = (part(0), part(1), part(2), part(3));
        Self { inputs, targets, batch_sizes, rows, places, order, weights: None, smoothing: 0.0 }
    }

    /// The same with a weight on the loss of every caption, one for each row of [`Self::order`].
    #[must_use]
    pub fn weighted(self, rows: &[f32]) -> Self {
        let weights = upload(rows, self.rows.device()).index_select(0, &self.rows);
        Self { weights: Some(weights), ..self }
    }

    /// The same captions: tensors are shared.
    pub fn shallow_clone(&self) -> Self {
        Self {
            inputs: self.inputs.shallow_clone(),
            targets: self.targets.shallow_clone(),
            batch_sizes: self.batch_sizes.clone(),
            rows: self.rows.shallow_clone(),
            places: self.places.shallow_clone(),
            order: self.order.clone(),
            weights: self.weights.as_ref().map(Tensor::shallow_clone),
            smoothing: self.smoothing,
        }
    }

    /// `(B, T)`: captions, and tokens of the longest.
    pub fn shape(&self) -> (i64, i64) {
        (self.order.len() as i64, self.batch_sizes.len() as i64)
    }

    /// Values of the tokens, `[N, ..]`, laid out with zeros (id 0 is padding) behind short captions: `[B, T, ..]`.
    pub fn pad(&self, packed: &Tensor) -> Tensor {
        let (rows, times) = self.shape();
        let (flat, padded): (Vec<i64>, Vec<i64>) = {
            let inner = &packed.size()[1..];
            ([&[rows * times], inner].concat(), [&[rows, times], inner].concat())
        };
        Tensor::zeros(flat, (packed.kind(), packed.device()))
            .index_copy(0, &self.places, packed)
            .view(padded.as_slice())
    }

    /// What of `[B, T, ..]` belongs to tokens, `[N, ..]`: the inverse of [`Self::pad`].
    pub fn pack(&self, padded: &Tensor) -> Tensor {
        padded.flatten(0, 1).index_select(0, &self.places)
    }

    /// `[B, T]` Bool: true where a padded layout holds a token.
    pub fn mask(&self) -> Tensor {
        self.pad(&self.inputs.ones_like()).to_kind(Kind::Bool)
    }

    /// Tokens to predict.
    pub fn tokens(&self) -> i64 {
        self.batch_sizes.iter().sum()
    }
}

/// What a model sees in one training step.
#[derive(Debug)]
pub struct Batch {
    pub captions: PackedCaptions,
    /// `[B]` Int64: for every row of `captions.order` the row of its image below.
    pub image_rows: Tensor,
    /// One tensor per encoder, a row per image of the step: `[I, D]` pooled or `[I, C, H, W]` grid.
    pub features: Vec<Tensor>,
    /// `[I, A]`: 1 where an attribute word is in a caption of the image, else 0; for models with attributes.
    pub attributes: Option<Tensor>,
    /// In a first stage on pairs: the augmented image and caption of every image, in the same order of images. Without
    /// features where only captions are augmented.
    pub augmented: Option<Box<Batch>>,
    /// The nouns of every caption, for models that predict them.
    pub nouns: Option<NounBatch>,
}

/// The nouns of the captions of a step, packed like captions but in an order of their own.
#[derive(Debug)]
pub struct NounBatch {
    pub words: PackedCaptions,
    /// `[B]` Int64: for every row of `words.order` the row of its image.
    pub image_rows: Tensor,
}

impl Batch {
    /// The same step over other features.
    pub fn with_features(&self, features: Vec<Tensor>) -> Self {
        Self {
            captions: self.captions.shallow_clone(),
            image_rows: self.image_rows.shallow_clone(),
            features,
            attributes: self.attributes.as_ref().map(Tensor::shallow_clone),
            augmented: None,
            nouns: self.nouns.as_ref().map(|nouns| NounBatch {
                words: nouns.words.shallow_clone(),
                image_rows: nouns.image_rows.shallow_clone(),
            }),
        }
    }

    /// The features with a row per caption, `[B, ..]`.
    pub fn caption_features(&self) -> Vec<Tensor> {
        self.features.iter().map(|features| features.index_select(0, &self.image_rows)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_runs_over_time_longest_first_and_shifts_targets_by_one() {
        let captions: [&[i64]; 4] = [&[1, 7, 2], &[1, 4, 5, 6, 2], &[1], &[1, 8, 2]];
        let packed = PackedCaptions::new(&captions, Device::Cpu);
        let values = |tensor: &Tensor| Vec::<i64>::try_from(tensor).unwrap();
        assert_eq!(packed.order, [1, 0, 3]);
        assert_eq!(packed.batch_sizes, [3, 3, 1, 1]);
        assert_eq!(values(&packed.inputs), [1, 1, 1, 4, 7, 8, 5, 6]);
        assert_eq!(values(&packed.targets), [4, 7, 8, 5, 2, 2, 6, 2]);
        assert_eq!(values(&packed.rows), [0, 1, 2, 0, 1, 2, 0, 0]);
        assert_eq!(packed.tokens(), 8);
        assert_eq!(packed.shape(), (3, 4));
    }

    #[test]
    fn padding_and_packing_undo_each_other() {
        let packed = PackedCaptions::new(&[&[1, 7, 2], &[1, 4, 5, 2]], Device::Cpu);
        let padded = packed.pad(&packed.targets);
        assert_eq!(Vec::<Vec<i64>>::try_from(&padded).unwrap(), [[4, 5, 2], [7, 2, 0]]);
        assert_eq!(Vec::<Vec<bool>>::try_from(packed.mask()).unwrap(), [[true, true, true], [true, true, false]]);
        assert_eq!(packed.pack(&padded), packed.targets);
        let vectors = Tensor::rand([packed.tokens(), 3], (Kind::Float, Device::Cpu));
        assert_eq!(packed.pad(&vectors).size(), [2, 3, 3]);
        assert_eq!(packed.pack(&packed.pad(&vectors)), vectors);
    }
}

//! Captions of one training step as tensors, without padding.

use tch::{Device, Tensor};

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
    /// For every row, longest first, its position in the list that was packed.
    pub order: Vec<usize>,
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
        let (mut inputs, mut targets, mut rows) =
            (Vec::with_capacity(total), Vec::with_capacity(total), Vec::with_capacity(total));
        let mut batch_sizes = Vec::with_capacity(longest);
        for time in 0..longest {
            let running = order.partition_point(|index| steps(index) > time);
            batch_sizes.push(running as i64);
            for (row, &index) in order[..running].iter().enumerate() {
                inputs.push(captions[index][time]);
                targets.push(captions[index][time + 1]);
                rows.push(row as i64);
            }
        }
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        Self { inputs: tensor(&inputs), targets: tensor(&targets), batch_sizes, rows: tensor(&rows), order }
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
    /// One tensor per encoder, a row per row of `captions.order`: `[B, D]` pooled or `[B, C, H, W]` grid.
    pub features: Vec<Tensor>,
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
    }
}

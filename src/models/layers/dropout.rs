//! Dropout whose mask is cheap to draw.

use crate::util::rng::Rng;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Inverted dropout while training, the identity otherwise; any shape. `p` is the probability of a zero.
///
/// On a CPU the mask comes from [`Rng`], 16 bits an element (so `p` is rounded to 1/65536), seeded by one draw from
/// LibTorch's generator: LibTorch itself draws element by element on one core, at the cost of a matrix product.
pub fn dropout(xs: &Tensor, p: f64, train: bool) -> Tensor {
    if !train || p <= 0.0 {
        return xs.shallow_clone();
    }
    if xs.device() != Device::Cpu || xs.kind() != Kind::Float {
        return xs.dropout(p, true);
    }
    xs * mask(xs, p)
}

/// `xs + dropout(added)` in one pass; shapes as in a sum.
pub fn add_dropout(xs: &Tensor, added: &Tensor, p: f64, train: bool) -> Tensor {
    if train && p > 0.0 && added.device() == Device::Cpu && added.kind() == Kind::Float {
        return xs.addcmul(added, &mask(added, p));
    }
    xs + dropout(added, p, train)
}

/// Elements beyond which a mask is drawn by several threads, and that each draws at a time.
const CHUNK: usize = 1 << 20;

/// The factors of `xs`, a Float tensor on a CPU.
fn mask(xs: &Tensor, p: f64) -> Tensor {
    let seed = Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]) as u64;
    let mask = Tensor::empty(xs.size(), (Kind::Float, Device::Cpu));
    // SAFETY: new, contiguous, of this many floats, and seen by nothing else while the slice lives; all are written.
    let values = unsafe { std::slice::from_raw_parts_mut(mask.data_ptr().cast::<f32>(), mask.numel()) };
    if values.len() <= CHUNK {
        fill_mask(values, p, seed);
    } else {
        let chunks = values.par_chunks_mut(CHUNK).enumerate();
        chunks.for_each(|(index, values)| fill_mask(values, p, seed ^ (index as u64 + 1)));
    }
    mask
}

/// `1 / (1 - p)` with probability `1 - p`, else 0. Without a branch: at p = 0.5 a processor guesses half of them wrong.
fn fill_mask(mask: &mut [f32], p: f64, seed: u64) {
    let threshold = (p * 65536.0).round() as i32;
    let kept = ((65536.0 / f64::from((65536 - threshold).max(1))) as f32).to_bits();
    // All ones where the 16 bits reach the threshold, else zero.
    let keep = |bits: u64| ((threshold - 1 - (bits & 0xFFFF) as i32) >> 31) as u32;
    let mut rng = Rng::new(&[seed]);
    let fill = |values: &mut [f32], bits: u64| {
        for (value, shift) in values.iter_mut().zip([0, 16, 32, 48]) {
            *value = f32::from_bits(keep(bits >> shift) & kept);
        }
    };
    let (fours, rest) = mask.as_chunks_mut::<4>();
    fours.iter_mut().for_each(|four| fill(four, rng.next_u64()));
    fill(rest, rng.next_u64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_keeps_its_share_and_the_mean_stays() {
        for p in [0.1, 0.5, 0.8] {
            let mut mask = vec![0f32; 200_001];
            fill_mask(&mut mask, p, 7);
            let kept = mask.iter().filter(|v| **v > 0.0).count() as f64 / mask.len() as f64;
            let mean = mask.iter().map(|v| f64::from(*v)).sum::<f64>() / mask.len() as f64;
            assert!((kept - (1.0 - p)).abs() < 0.005, "p {p}: kept {kept}");
            assert!((mean - 1.0).abs() < 0.02, "p {p}: mean {mean}");
        }
    }

    #[test]
    fn large_tensors_have_masks_that_do_not_repeat() {
        let xs = Tensor::ones([3, CHUNK as i64], (Kind::Float, Device::Cpu));
        let rows = dropout(&xs, 0.25, true);
        assert!((rows.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.01);
        assert!(rows.get(0) != rows.get(1) && rows.get(1) != rows.get(2));
    }

    #[test]
    fn what_is_added_is_dropped_or_scaled_and_the_rest_stays() {
        let ones = Tensor::ones([400, 5], (Kind::Float, Device::Cpu));
        let sum = add_dropout(&(&ones * 7.0), &ones, 0.5, true);
        let values = Vec::<f32>::try_from(sum.flatten(0, -1)).unwrap();
        assert!(values.contains(&7.0) && values.contains(&9.0) && values.iter().all(|v| [7.0, 9.0].contains(v)));
        assert_eq!(add_dropout(&ones, &ones, 0.5, false), &ones + &ones);
    }

    #[test]
    fn it_follows_libtorchs_seed_and_is_off_in_evaluation() {
        let xs = Tensor::ones([3, 5], (Kind::Float, Device::Cpu));
        let draw = |seed| {
            tch::manual_seed(seed);
            dropout(&xs, 0.5, true)
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(dropout(&xs, 0.5, false), xs);
    }
}

//! The training images that are most like an image.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

/// What is known of some images, a row each: every encoder's vector scaled to length one, the vectors concatenated.
/// Made once, and the only thing that grows with the images.
#[derive(Debug)]
pub struct Gallery {
    /// `[T, D]`.
    rows: Tensor,
    /// Number of vectors in a row.
    encoders: i64,
}

impl Gallery {
    /// `images` in batches, in their order; `features` gives those of a batch, one tensor per encoder, `[B, D]`, or
    /// grids `[B, C, H, W]`, of which the mean is taken.
    pub fn new(images: &[usize], batch: usize, features: impl Fn(&[usize]) -> Result<Vec<Tensor>>) -> Result<Self> {
        let mut rows: Option<Tensor> = None;
        let (mut at, mut encoders) = (0, 0);
        for chunk in images.chunks(batch.max(1)) {
            let of_chunk = features(chunk)?;
            encoders = of_chunk.len() as i64;
            let new = directions(&of_chunk);
            let all = rows.get_or_insert_with(|| {
                Tensor::empty(
                    [images.len() as i64, new.size().get(1).copied().unwrap_or(0)],
                    (new.kind(), new.device()),
                )
            });
            let count = chunk.len() as i64;
            all.narrow(0, at, count).copy_(&new);
            at += count;
        }
        Ok(Self { rows: rows.unwrap_or_else(|| Tensor::zeros([0, 0], (Kind::Float, Device::Cpu))), encoders })
    }

    /// Of rows that [`Self::rows`] gave.
    pub fn of_rows(rows: Tensor, encoders: i64) -> Self {
        Self { rows, encoders }
    }

    /// `[T, D]`, and the number of encoders.
    pub fn rows(&self) -> (&Tensor, i64) {
        (&self.rows, self.encoders)
    }

    /// The same, as exact as half precision has it.
    pub fn halved(self) -> Self {
        Self { rows: self.rows.to_kind(Kind::Half).to_kind(Kind::Float), ..self }
    }

    /// The Euclidean distance of each query image to the nearest image here.
    pub fn distances(&self, queries: &[Tensor]) -> Vec<f32> {
        tch::no_grad(|| {
            let nearest = directions(queries).matmul(&self.rows.tr()).amax([1i64].as_slice(), false);
            let squared = (nearest * -2.0 + (2 * self.encoders) as f64).clamp_min(0.0);
            let distances = squared.sqrt().to_device(Device::Cpu).contiguous();
            let mut values = vec![0f32; distances.numel()];
            let length = values.len();
            distances.copy_data(&mut values, length);
            values
        })
    }

    /// For each query image its `count` most similar ones, by their places here, nearest first and equal ones in order.
    /// A query that is itself an image of this gallery, `own` its place, is not its own neighbour.
    ///
    /// Nearness is the Euclidean distance, whose order is that of the scalar product here. Time is linear in the
    /// images: all are compared, and only the nearest are sorted.
    pub fn nearest(&self, queries: &[Tensor], own: &[Option<usize>], count: usize) -> Vec<Vec<usize>> {
        tch::no_grad(|| {
            let likeness = directions(queries).matmul(&self.rows.tr()).to_device(Device::Cpu).contiguous();
            let columns = likeness.size().get(1).map_or(0, |&columns| columns as usize);
            let mut values = vec![0f32; likeness.numel()];
            let length = values.len();
            likeness.copy_data(&mut values, length);
            let own = own.iter().copied().chain(std::iter::repeat(None));
            values.chunks(columns.max(1)).zip(own).map(|(row, own)| greatest(row, own, count)).collect()
        })
    }
}

/// Places of the `count` greatest values, the greatest first and equal ones in order, one place left out.
fn greatest(values: &[f32], without: Option<usize>, count: usize) -> Vec<usize> {
    let by_value = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut order: Vec<(usize, f32)> =
        values.iter().copied().enumerate().filter(|(place, _)| Some(*place) != without).collect();
    if (1..order.len()).contains(&count) {
        order.select_nth_unstable_by(count - 1, by_value);
    }
    order.truncate(count);
    order.sort_by(by_value);
    order.into_iter().map(|(place, _)| place).collect()
}

/// One tensor per encoder, `[B, D]` or `[B, C, H, W]` -> `[B, sum D]`.
fn directions(features: &[Tensor]) -> Tensor {
    let unit = |features: &Tensor| {
        let float = features.to_kind(Kind::Float);
        let flat = if float.dim() == 4 { float.mean_dim([2i64, 3].as_slice(), false, None) } else { float };
        let norm = flat.norm_scalaropt_dim(2, [1i64].as_slice(), true).clamp_min(1e-12);
        flat / norm
    };
    tch::no_grad(|| Tensor::cat(&features.iter().map(unit).collect::<Vec<_>>(), 1))
}

#[cfg(test)]
#[allow(clippy::print_stderr)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn gallery(known: &[Tensor], batch: usize) -> Gallery {
        let images: Vec<usize> = (0..known[0].size()[0] as usize).collect();
        let of =
            |chunk: &[usize]| Ok(known.iter().map(|all| all.narrow(0, chunk[0] as i64, chunk.len() as i64)).collect());
        Gallery::new(&images, batch, of).unwrap()
    }

    #[test]
    fn neighbours_are_nearest_by_direction_of_each_encoder() {
        let tensor = |rows: &[[f32; 2]]| Tensor::from_slice2(rows);
        let known = [tensor(&[[1.0, 0.0], [0.0, 5.0], [3.0, 3.0]]), tensor(&[[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])];
        let queries = [tensor(&[[0.0, 2.0]]), tensor(&[[0.0, 9.0]])];
        for batch in [1, 2, 8] {
            let gallery = gallery(&known, batch);
            assert_eq!(gallery.nearest(&queries, &[None], 2), [[1, 2]]);
            assert_eq!(gallery.nearest(&queries, &[None], 9), [[1, 2, 0]]);
        }
    }

    /// Hand-computed: at right angles in one of two encoders, and at 45 degrees.
    #[test]
    fn distances_are_those_to_the_nearest_by_all_encoders() {
        let tensor = |rows: &[[f32; 2]]| Tensor::from_slice2(rows);
        let gallery = gallery(&[tensor(&[[1.0, 0.0], [0.0, 5.0]]), tensor(&[[1.0, 0.0], [1.0, 0.0]])], 2);
        let found = gallery
            .distances(&[tensor(&[[0.0, 2.0], [3.0, 0.0], [1.0, 1.0]]), tensor(&[[0.0, 9.0], [2.0, 0.0], [1.0, 0.0]])]);
        for (found, expected) in found.iter().zip([2f32.sqrt(), 0.0, (2.0 - 2f32.sqrt()).sqrt()]) {
            assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
        }
    }

    #[test]
    fn an_image_is_not_its_own_neighbour() {
        let known = [Tensor::from_slice2(&[[1f32, 0.0], [0.9, 0.1], [0.0, 1.0]])];
        let gallery = gallery(&known, 2);
        assert_eq!(gallery.nearest(&known, &[Some(0), None, Some(2)], 2), [vec![1, 2], vec![1, 0], vec![1, 0]]);
        let alone = Gallery::new(&[7], 4, |_| Ok(vec![Tensor::from_slice2(&[[1f32, 0.0]])])).unwrap();
        assert_eq!(alone.nearest(&[Tensor::from_slice2(&[[1f32, 0.0]])], &[Some(0)], 2), [Vec::<usize>::new()]);
    }

    #[test]
    fn the_greatest_are_those_of_a_full_sort_with_equal_ones_in_order() {
        let values: Vec<f32> = (0..97u32).map(|i| (i * 31 % 13) as f32).collect();
        let mut sorted: Vec<usize> = (0..values.len()).collect();
        sorted.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        for count in [0, 1, 4, 50, 96, 97, 200] {
            assert_eq!(greatest(&values, None, count), sorted[..count.min(97)], "{count}");
        }
    }

    /// Pooled from 7x7 grids that come in batches: `cargo test --lib -- --ignored --nocapture 100_000`.
    #[test]
    #[ignore = "half a GB, and it measures time: to be run by hand"]
    fn at_100_000_images_time_is_linear_and_memory_that_of_the_matrix() {
        let peak = || -> f64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        let (width, batch) = (1024, 64);
        let grids = Tensor::randn([batch, width, 7, 7], (Kind::Float, Device::Cpu));
        let queries = [Tensor::randn([batch, width], (Kind::Float, Device::Cpu))];
        let mut each = Vec::new();
        for count in [12_500usize, 25_000, 50_000, 100_000] {
            let images: Vec<usize> = (0..count).collect();
            let before = peak();
            let started = Instant::now();
            let of = |chunk: &[usize]| Ok(vec![grids.narrow(0, 0, chunk.len() as i64)]);
            let gallery = Gallery::new(&images, batch as usize, of).unwrap();
            let made = started.elapsed().as_secs_f64();
            let started = Instant::now();
            (0..4).for_each(|_| assert_eq!(gallery.nearest(&queries, &[], 4)[63].len(), 4));
            let asked = started.elapsed().as_secs_f64();
            let (grown, matrix) = (peak() - before, (count as i64 * width * 4) as f64 / (1 << 20) as f64);
            eprintln!(
                "{count} images: made in {made:.2} s, 256 queries {asked:.2} s; matrix {matrix:.0} MiB, peak grew \
                       by {grown:.0} MiB"
            );
            assert!(grown < matrix + 200.0);
            each.push((made + asked) / count as f64);
        }
        assert!(each[3] < 2.0 * each[0], "{each:?}");
    }
}

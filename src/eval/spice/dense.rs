//! Linear maps in fixed point: 16-bit weights and inputs, exact 32-bit sums. Integers do not round, so that every
//! machine and every order of work has the same result.

use super::bytes::{floats, shorts, take_floats, take_shorts, take_u32};

/// What stands for 1 in a 16-bit input: values reach ±16.
pub const ONE: f32 = 2048.0;

/// What stands for 1 in a weight: values reach ±8.
const WEIGHT: f32 = 4096.0;

/// Outputs that the kernel makes at once; their number is padded to a multiple.
const BLOCK: usize = 16;

/// Inputs that share a pass over the weights.
pub const ROWS: usize = 4;

/// The nearest 16-bit number of a value, with `one` for 1.
pub fn quantise(value: f32, one: f32) -> i16 {
    // A float of this size has its units in its lowest bits.
    const UNITS: f32 = 12_582_912.0;
    ((value * one).clamp(-32767.0, 32767.0) + UNITS).to_bits() as i16
}

/// Two inputs as one number.
fn joined(first: i16, second: i16) -> i32 {
    i32::from(first) & 0xffff | i32::from(second) << 16
}

/// Rows of inputs, made ready for any number of maps.
#[derive(Debug)]
pub struct Rows {
    count: usize,
    /// Pairs of inputs of some rows side by side; zeros fill up the last rows.
    pairs: Vec<[i32; ROWS]>,
}

impl Rows {
    /// From `[rows, inputs]`, an even number of inputs.
    pub fn new(rows: &[i16], inputs: usize) -> Self {
        let inputs = inputs.max(2);
        let mut pairs = Vec::with_capacity(rows.len() / 2 + ROWS * inputs);
        for block in rows.chunks(inputs * ROWS) {
            let mut block_rows = block.chunks_exact(inputs);
            let block_rows: [&[i16]; ROWS] = std::array::from_fn(|_| block_rows.next().unwrap_or_default());
            pairs.extend((0..inputs / 2).map(|pair| {
                block_rows.map(|row| row.get(pair * 2..pair * 2 + 2).map_or(0, |pair| joined(pair[0], pair[1])))
            }));
        }
        Self { count: rows.len() / inputs, pairs }
    }
}

/// `y = W x + b`.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Dense {
    inputs: usize,
    outputs: usize,
    /// Outputs in blocks, of each block all inputs in pairs: `[blocks, inputs / 2, BLOCK, 2]`, padded with zeros.
    weights: Vec<i16>,
    /// Padded with zeros.
    bias: Vec<f32>,
}

impl Dense {
    /// From weights `[outputs, inputs]`, row by row, and biases; an odd number of inputs is padded.
    pub fn new(weights: &[f32], bias: &[f32], inputs: usize) -> Self {
        let outputs = bias.len();
        let (padded, pairs) = (outputs.next_multiple_of(BLOCK), inputs.div_ceil(2));
        let mut packed = vec![0; pairs * padded * 2];
        for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
            for (input, &weight) in row.iter().enumerate() {
                let pair = (output / BLOCK * pairs + input / 2) * BLOCK + output % BLOCK;
                packed[pair * 2 + input % 2] = quantise(weight, WEIGHT);
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(padded, 0.0);
        Self { inputs: pairs * 2, outputs, weights: packed, bias }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Outputs with their padding: the length of a row of results.
    pub fn width(&self) -> usize {
        self.bias.len()
    }

    /// Maps rows of inputs to rows of outputs `[rows, width]`, which replace what `out` held.
    pub fn apply(&self, rows: &Rows, out: &mut Vec<f32>) {
        let width = self.width();
        out.resize(rows.count.next_multiple_of(ROWS) * width, 0.0);
        let blocks = rows.pairs.chunks_exact((self.inputs / 2).max(1));
        for (pairs, out) in blocks.zip(out.chunks_exact_mut((ROWS * width).max(1))) {
            self.kernel(pairs, out);
        }
        out.truncate(rows.count * width);
    }

    /// Maps one row of inputs to a row of outputs, which replaces what `out` held.
    pub fn apply_one(&self, row: &[i16], out: &mut Vec<f32>) {
        let pairs: Vec<[i32; 1]> = row.chunks_exact(2).map(|pair| [joined(pair[0], pair[1])]).collect();
        out.resize(self.width(), 0.0);
        self.kernel(&pairs, out);
    }

    #[cfg(target_arch = "x86_64")]
    fn kernel<const R: usize>(&self, pairs: &[[i32; R]], out: &mut [f32]) {
        if std::arch::is_x86_feature_detected!("avx512vnni") && std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has both.
            unsafe { x86::wide(&self.weights, &self.bias, pairs, out) }
        } else if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { x86::narrow(&self.weights, &self.bias, pairs, out) }
        } else {
            plain(&self.weights, &self.bias, pairs, out);
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn kernel<const R: usize>(&self, pairs: &[[i32; R]], out: &mut [f32]) {
        plain(&self.weights, &self.bias, pairs, out);
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        for size in [self.inputs, self.outputs] {
            out.extend((size as u32).to_le_bytes());
        }
        shorts(out, &self.weights);
        floats(out, &self.bias);
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let (inputs, outputs) = (take_u32(from)? as usize, take_u32(from)? as usize);
        let width = outputs.checked_next_multiple_of(BLOCK)?;
        let weights = take_shorts(from, inputs.checked_mul(width)?)?;
        let bias = take_floats(from, width)?;
        (inputs > 0 && inputs % 2 == 0 && outputs > 0).then_some(Self { inputs, outputs, weights, bias })
    }
}

/// A sum of products of weights and inputs as a number.
const UNIT: f32 = 1.0 / (ONE * WEIGHT);

/// The map on any processor. The kernels below give the same numbers: their sums are exact, and what follows is one
/// multiplication and one addition, never fused.
fn plain<const R: usize>(weights: &[i16], bias: &[f32], pairs: &[[i32; R]], out: &mut [f32]) {
    let width = out.len() / R;
    let blocks = weights.chunks_exact(pairs.len() * BLOCK * 2).zip(bias.chunks_exact(BLOCK));
    for (at, (weights, bias)) in blocks.enumerate() {
        let mut sums = [[0i32; BLOCK]; R];
        for (weights, pair) in weights.chunks_exact(BLOCK * 2).zip(pairs) {
            for (sums, &pair) in sums.iter_mut().zip(pair) {
                let (first, second) = (i32::from(pair as i16), i32::from((pair >> 16) as i16));
                for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(2)) {
                    *sum += i32::from(weights[0]) * first + i32::from(weights[1]) * second;
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let out = &mut out[row * width + at * BLOCK..][..BLOCK];
            for ((out, &sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                *out = sum as f32 * UNIT + bias;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, UNIT};
    use std::arch::x86_64::*;

    const CHAINS: usize = 4;

    /// 512 bits with products of pairs added up by one instruction.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn wide<const R: usize>(weights: &[i16], bias: &[f32], pairs: &[[i32; R]], out: &mut [f32]) {
        let width = out.len() / R;
        let blocks = weights.chunks_exact(pairs.len() * BLOCK * 2).zip(bias.chunks_exact(BLOCK));
        for (at, (weights, bias)) in blocks.enumerate() {
            // Several sums side by side: an addition need not wait for the one before.
            let mut sums = [[_mm512_setzero_si512(); CHAINS]; R];
            let (weights, weights_left) = weights.as_chunks::<{ BLOCK * 2 * CHAINS }>();
            let (pairs, pairs_left) = pairs.as_chunks::<CHAINS>();
            for (weights, pairs) in weights.iter().zip(pairs) {
                for chain in 0..CHAINS {
                    let weights = load(&weights[chain * BLOCK * 2..]);
                    for row in 0..R {
                        let pair = _mm512_set1_epi32(pairs[chain][row]);
                        sums[row][chain] = _mm512_dpwssd_epi32(sums[row][chain], weights, pair);
                    }
                }
            }
            for (weights, pair) in weights_left.chunks_exact(BLOCK * 2).zip(pairs_left) {
                for row in 0..R {
                    sums[row][0] = _mm512_dpwssd_epi32(sums[row][0], load(weights), _mm512_set1_epi32(pair[row]));
                }
            }
            // SAFETY: there are 16 biases.
            let bias = unsafe { _mm512_loadu_ps(bias.as_ptr()) };
            for (row, sums) in sums.iter().enumerate() {
                let sum = sums.iter().fold(_mm512_setzero_si512(), |sum, &part| _mm512_add_epi32(sum, part));
                let sum = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(UNIT)), bias);
                let out = &mut out[row * width + at * BLOCK..][..BLOCK];
                // SAFETY: there is room for 16 numbers.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(weights: &[i16]) -> __m512i {
        let weights = &weights[..BLOCK * 2];
        // SAFETY: there are 32 weights, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) }
    }

    /// 256 bits.
    #[target_feature(enable = "avx2")]
    pub(super) fn narrow<const R: usize>(weights: &[i16], bias: &[f32], pairs: &[[i32; R]], out: &mut [f32]) {
        let width = out.len() / R;
        let blocks = weights.chunks_exact(pairs.len() * BLOCK * 2).zip(bias.chunks_exact(BLOCK));
        for (at, (weights, bias)) in blocks.enumerate() {
            let mut sums = [[_mm256_setzero_si256(); 2]; R];
            for (weights, pair) in weights.chunks_exact(BLOCK * 2).zip(pairs) {
                // SAFETY: there are 32 weights, and the loads need no alignment.
                let halves = unsafe {
                    let first: *const __m256i = weights.as_ptr().cast();
                    [_mm256_loadu_si256(first), _mm256_loadu_si256(first.add(1))]
                };
                for (sums, &pair) in sums.iter_mut().zip(pair) {
                    for (sum, weights) in sums.iter_mut().zip(halves) {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, _mm256_set1_epi32(pair)));
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let out = &mut out[row * width + at * BLOCK..][..BLOCK];
                for ((out, bias), &sum) in out.chunks_exact_mut(8).zip(bias.chunks_exact(8)).zip(sums) {
                    // SAFETY: there are 8 biases, and there is room for 8 numbers.
                    unsafe {
                        let bias = _mm256_loadu_ps(bias.as_ptr());
                        let sum = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_set1_ps(UNIT));
                        _mm256_storeu_ps(out.as_mut_ptr(), _mm256_add_ps(sum, bias));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Rng;

    fn random(count: usize, by: f32, rng: &mut Rng) -> Vec<f32> {
        (0..count).map(|_| (rng.unit() as f32 - 0.5) * by).collect()
    }

    #[test]
    fn the_result_is_that_of_floats_but_for_rounding_whatever_the_sizes() {
        let mut rng = Rng::new(&[1]);
        for (inputs, outputs, rows) in [(1, 1, 1), (7, 5, 3), (64, 192, 9), (130, 40, 4)] {
            let (weights, bias) = (random(inputs * outputs, 1.0, &mut rng), random(outputs, 1.0, &mut rng));
            let dense = Dense::new(&weights, &bias, inputs);
            let xs = random(inputs * rows, 4.0, &mut rng);
            let packed: Vec<i16> = xs
                .chunks_exact(inputs)
                .flat_map(|row| {
                    let mut row: Vec<i16> = row.iter().map(|&x| quantise(x, ONE)).collect();
                    row.resize(dense.inputs(), 0);
                    row
                })
                .collect();
            let (mut ys, mut one) = (Vec::new(), Vec::new());
            dense.apply(&Rows::new(&packed, dense.inputs()), &mut ys);
            dense.apply_one(&packed[..dense.inputs()], &mut one);
            assert!(ys.len() == rows * dense.width() && ys[..dense.width()] == one);
            for (row, x) in ys.chunks_exact(dense.width()).zip(xs.chunks_exact(inputs)) {
                for (output, y) in row.iter().take(outputs).enumerate() {
                    let exact: f32 = weights[output * inputs..][..inputs].iter().zip(x).map(|(w, x)| w * x).sum();
                    assert!((y - exact - bias[output]).abs() < 0.02, "{inputs} {outputs}: {y}");
                }
            }
        }
    }

    #[test]
    fn every_kernel_gives_the_same_numbers() {
        let mut rng = Rng::new(&[2]);
        let dense = Dense::new(&random(64 * 48, 2.0, &mut rng), &random(48, 2.0, &mut rng), 64);
        let pairs: Vec<[i32; 3]> =
            (0..32).map(|_| std::array::from_fn(|_| rng.next_u64() as i32 & 0x1fff_1fff)).collect();
        let mut plainly = vec![0.0; 3 * 48];
        plain(&dense.weights, &dense.bias, &pairs, &mut plainly);
        assert!(plainly.iter().any(|&sum| sum != 0.0));
        #[cfg(target_arch = "x86_64")]
        {
            let mut quickly = vec![0.0; 3 * 48];
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                unsafe { x86::narrow(&dense.weights, &dense.bias, &pairs, &mut quickly) };
                assert_eq!(plainly, quickly);
            }
            if std::arch::is_x86_feature_detected!("avx512vnni") && std::arch::is_x86_feature_detected!("avx512f") {
                quickly.fill(0.0);
                // SAFETY: the processor has both.
                unsafe { x86::wide(&dense.weights, &dense.bias, &pairs, &mut quickly) };
                assert_eq!(plainly, quickly);
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_and_stops_at_the_ends() {
        assert_eq!([0.0004, -0.0004, 1.0, 99.0, -99.0].map(|x| quantise(x, ONE)), [1, -1, 2048, 32767, -32767]);
    }
}

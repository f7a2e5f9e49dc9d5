//! Linear maps in fixed point: weights and inputs of 16 or of 8 bits, exact 32-bit sums. Integers do not round, so that
//! every machine and every order of work has the same result.

use super::bytes::{floats, take, take_floats, take_u32};

/// Outputs that the kernel makes at once; their number is padded to a multiple.
const BLOCK: usize = 16;

/// Inputs that share a pass over the weights.
pub const ROWS: usize = 8;

/// Bytes of the weights that a block's outputs have for one [`Fixed::joined`] of inputs.
const STRIP: usize = BLOCK * 4;

/// A number in fixed point, as inputs and weights have it.
pub trait Fixed: Copy + Default + PartialEq + Into<i32> + std::fmt::Debug + 'static {
    /// What stands for 1 in an input.
    const ONE: f32;
    /// The greatest number.
    const MOST: f32;
    /// The greatest weight: sums stay within 32 bits.
    const WEIGHT: f32;
    /// Numbers in 32 bits.
    const SIDE: usize;
    /// What the kernel's inputs are greater by than the numbers that they stand for.
    const OFFSET: i32;

    /// From a whole number within its range.
    fn of(whole: i16) -> Self;

    /// Inputs side by side, the first in the lowest bits, each with the offset.
    fn joined(inputs: &[Self]) -> i32;
}

/// Inputs of any size: values reach ±16.
impl Fixed for i16 {
    const ONE: f32 = 2048.0;
    const MOST: f32 = 32767.0;
    const WEIGHT: f32 = 2047.0;
    const SIDE: usize = 2;
    const OFFSET: i32 = 0;

    fn of(whole: i16) -> Self {
        whole
    }

    fn joined(inputs: &[Self]) -> i32 {
        match *inputs {
            [a, b] => i32::from(a) & 0xffff | i32::from(b) << 16,
            _ => 0,
        }
    }
}

/// States of a recurrent unit: values reach ±1. The instruction that multiplies bytes takes inputs without a sign.
impl Fixed for i8 {
    const ONE: f32 = 127.0;
    const MOST: f32 = 127.0;
    const WEIGHT: f32 = 127.0;
    const SIDE: usize = 4;
    const OFFSET: i32 = 128;

    fn of(whole: i16) -> Self {
        whole as i8
    }

    fn joined(inputs: &[Self]) -> i32 {
        match *inputs {
            // The offset turns a byte's sign.
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d].map(|input| input as u8 ^ 0x80)),
            _ => 0,
        }
    }
}

/// The nearest number of a value, with `one` for 1.
pub fn quantise<T: Fixed>(value: f32, one: f32) -> T {
    // A float of this size has its units in its lowest bits.
    const UNITS: f32 = 12_582_912.0;
    T::of(((value * one).clamp(-T::MOST, T::MOST) + UNITS).to_bits() as i16)
}

/// Rows of inputs, made ready for any number of maps.
#[derive(Debug)]
pub struct Rows<T> {
    count: usize,
    /// Inputs of some rows, [`Fixed::joined`], side by side; zeros fill up the last rows.
    joined: Vec<[i32; ROWS]>,
    kind: std::marker::PhantomData<T>,
}

impl<T: Fixed> Rows<T> {
    /// From `[rows, inputs]`, of inputs a multiple of [`Fixed::SIDE`].
    pub fn new(rows: &[T], inputs: usize) -> Self {
        let inputs = inputs.max(T::SIDE);
        let mut joined = Vec::with_capacity(rows.len() / T::SIDE + ROWS * inputs);
        for block in rows.chunks(inputs * ROWS) {
            let mut block_rows = block.chunks_exact(inputs);
            let block_rows: [&[T]; ROWS] = std::array::from_fn(|_| block_rows.next().unwrap_or_default());
            joined.extend(
                (0..inputs / T::SIDE)
                    .map(|at| block_rows.map(|row| row.get(at * T::SIDE..(at + 1) * T::SIDE).map_or(0, T::joined))),
            );
        }
        Self { count: rows.len() / inputs, joined, kind: std::marker::PhantomData }
    }
}

/// `y = W x + b`.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Dense<T> {
    inputs: usize,
    outputs: usize,
    /// Outputs in blocks, of each block all inputs: `[blocks, inputs / SIDE, BLOCK, SIDE]`, padded with zeros.
    weights: Vec<T>,
    /// Of each output, padded with zeros.
    ends: Ends,
}

/// What becomes of an output's sum of products: `(sum + start) * unit + bias`.
#[derive(Debug, Default, Clone, PartialEq)]
struct Ends {
    starts: Vec<i32>,
    units: Vec<f32>,
    bias: Vec<f32>,
}

impl<T: Fixed> Dense<T> {
    /// From weights `[outputs, inputs]`, row by row, and biases; inputs are padded. The greatest weight of an output has the
    /// greatest number.
    pub fn new(weights: &[f32], bias: &[f32], inputs: usize) -> Self {
        let outputs = bias.len();
        let (width, strips) = (outputs.next_multiple_of(BLOCK), inputs.div_ceil(T::SIDE));
        let mut packed = vec![T::default(); strips * T::SIDE * width];
        let mut units = vec![0.0; width];
        for (output, (row, unit)) in weights.chunks_exact(inputs.max(1)).zip(&mut units).enumerate() {
            let most = row.iter().fold(f32::MIN_POSITIVE, |most, weight| most.max(weight.abs()));
            *unit = most / (T::WEIGHT * T::ONE);
            for (input, &weight) in row.iter().enumerate() {
                let strip = (output / BLOCK * strips + input / T::SIDE) * BLOCK + output % BLOCK;
                packed[strip * T::SIDE + input % T::SIDE] = quantise(weight / most, T::WEIGHT);
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(width, 0.0);
        Self::from_parts(strips * T::SIDE, outputs, packed, units, bias)
    }

    fn from_parts(inputs: usize, outputs: usize, weights: Vec<T>, units: Vec<f32>, bias: Vec<f32>) -> Self {
        let mut starts = vec![0; bias.len()];
        for (weights, starts) in weights.chunks_exact((inputs * BLOCK).max(1)).zip(starts.chunks_exact_mut(BLOCK)) {
            for strip in weights.chunks_exact(BLOCK * T::SIDE) {
                for (start, weights) in starts.iter_mut().zip(strip.chunks_exact(T::SIDE)) {
                    *start -= T::OFFSET * weights.iter().map(|&weight| -> i32 { weight.into() }).sum::<i32>();
                }
            }
        }
        Self { inputs, outputs, weights, ends: Ends { starts, units, bias } }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Outputs with their padding: the length of a row of results.
    pub fn width(&self) -> usize {
        self.ends.bias.len()
    }

    /// Maps rows of inputs to rows of outputs `[rows, width]`, which replace what `out` held.
    pub fn apply(&self, rows: &Rows<T>, out: &mut Vec<f32>) {
        let width = self.width();
        out.resize(rows.count.next_multiple_of(ROWS) * width, 0.0);
        let blocks = rows.joined.chunks_exact((self.inputs / T::SIDE).max(1));
        for (inputs, out) in blocks.zip(out.chunks_exact_mut((ROWS * width).max(1))) {
            self.kernel::<ROWS, 2>(inputs, out);
        }
        out.truncate(rows.count * width);
    }

    /// Maps one row of inputs to a row of outputs, which replaces what `out` held.
    pub fn apply_one(&self, row: &[T], out: &mut Vec<f32>) {
        let inputs: Vec<[i32; 1]> = row.chunks_exact(T::SIDE).map(|inputs| [T::joined(inputs)]).collect();
        out.resize(self.width(), 0.0);
        self.kernel::<1, 4>(&inputs, out);
    }

    /// Of `R` rows, each as several (`CHAINS`) sums side by side, so that an addition need not wait for the one before.
    #[cfg(target_arch = "x86_64")]
    fn kernel<const R: usize, const CHAINS: usize>(&self, inputs: &[[i32; R]], out: &mut [f32]) {
        if std::arch::is_x86_feature_detected!("avx512vnni") && std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has both.
            unsafe { x86::wide::<T, R, CHAINS>(&self.weights, &self.ends, inputs, out) }
        } else if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { x86::narrow(&self.weights, &self.ends, inputs, out) }
        } else {
            plain(&self.weights, &self.ends, inputs, out);
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn kernel<const R: usize, const CHAINS: usize>(&self, inputs: &[[i32; R]], out: &mut [f32]) {
        plain(&self.weights, &self.ends, inputs, out);
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        for size in [self.inputs, self.outputs] {
            out.extend((size as u32).to_le_bytes());
        }
        for &weight in &self.weights {
            out.extend(&Into::<i32>::into(weight).to_le_bytes()[..size_of::<T>()]);
        }
        floats(out, &self.ends.units);
        floats(out, &self.ends.bias);
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let (inputs, outputs) = (take_u32(from)? as usize, take_u32(from)? as usize);
        let width = outputs.checked_next_multiple_of(BLOCK)?;
        let bytes = take(from, inputs.checked_mul(width)?.checked_mul(size_of::<T>())?)?;
        let weight = |bytes: &[u8]| match *bytes {
            [low, high] => T::of(i16::from_le_bytes([low, high])),
            _ => T::of(bytes.first().map_or(0, |&byte| i16::from(byte as i8))),
        };
        let weights = bytes.chunks_exact(size_of::<T>()).map(weight).collect();
        let (units, bias) = (take_floats(from, width)?, take_floats(from, width)?);
        (inputs > 0 && inputs % T::SIDE == 0 && outputs > 0)
            .then(|| Self::from_parts(inputs, outputs, weights, units, bias))
    }
}

impl Ends {
    /// Starts, units and biases of each block of outputs.
    fn blocks(&self) -> impl Iterator<Item = (&[i32], &[f32], &[f32])> {
        let starts_and_units = self.starts.chunks_exact(BLOCK).zip(self.units.chunks_exact(BLOCK));
        starts_and_units.zip(self.bias.chunks_exact(BLOCK)).map(|((starts, units), bias)| (starts, units, bias))
    }
}

/// The map on any processor. The kernels below give the same numbers: their sums are exact, and what follows is one
/// multiplication and one addition, never fused.
fn plain<T: Fixed, const R: usize>(weights: &[T], ends: &Ends, inputs: &[[i32; R]], out: &mut [f32]) {
    let width = out.len() / R;
    let blocks = weights.chunks_exact(inputs.len() * BLOCK * T::SIDE).zip(ends.blocks());
    for (at, (weights, (starts, units, bias))) in blocks.enumerate() {
        let mut sums = [[0i32; BLOCK]; R];
        for (strip, inputs) in weights.chunks_exact(BLOCK * T::SIDE).zip(inputs) {
            for (sums, &input) in sums.iter_mut().zip(inputs) {
                for (sum, weights) in sums.iter_mut().zip(strip.chunks_exact(T::SIDE)) {
                    for (place, &weight) in weights.iter().enumerate() {
                        *sum += weight.into() * part::<T>(input, place);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let out = &mut out[row * width + at * BLOCK..][..BLOCK];
            for (((out, sum), start), (unit, bias)) in out.iter_mut().zip(sums).zip(starts).zip(units.iter().zip(bias))
            {
                *out = (sum + start) as f32 * unit + bias;
            }
        }
    }
}

/// One of the inputs in [`Fixed::joined`], with its offset.
fn part<T: Fixed>(joined: i32, place: usize) -> i32 {
    let bits = 32 / T::SIDE;
    let top = joined << (32 - bits * (place + 1));
    if T::OFFSET == 0 { top >> (32 - bits) } else { (top as u32 >> (32 - bits)) as i32 }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, Ends, Fixed, STRIP};
    use std::arch::x86_64::*;

    /// 512 bits with products of neighbours added up by one instruction.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn wide<T: Fixed, const R: usize, const CHAINS: usize>(
        weights: &[T],
        ends: &Ends,
        inputs: &[[i32; R]],
        out: &mut [f32],
    ) {
        let width = out.len() / R;
        let side = BLOCK * T::SIDE;
        for (at, (weights, ends)) in weights.chunks_exact(inputs.len() * side).zip(ends.blocks()).enumerate() {
            let mut sums = [[_mm512_setzero_si512(); CHAINS]; R];
            let (inputs, inputs_left) = inputs.as_chunks::<CHAINS>();
            let (weights, weights_left) = weights.split_at(inputs.len() * CHAINS * side);
            for (weights, inputs) in weights.chunks_exact(CHAINS * side).zip(inputs) {
                for chain in 0..CHAINS {
                    let strip = load(&weights[chain * side..]);
                    for row in 0..R {
                        sums[row][chain] = products::<T>(sums[row][chain], strip, inputs[chain][row]);
                    }
                }
            }
            for (weights, inputs) in weights_left.chunks_exact(side).zip(inputs_left) {
                for row in 0..R {
                    sums[row][0] = products::<T>(sums[row][0], load(weights), inputs[row]);
                }
            }
            let (starts, units, bias) = ends;
            // SAFETY: a block has 16 of each.
            let (start, unit, bias) = unsafe {
                let start = _mm512_loadu_si512(starts[..BLOCK].as_ptr().cast());
                (start, _mm512_loadu_ps(units[..BLOCK].as_ptr()), _mm512_loadu_ps(bias[..BLOCK].as_ptr()))
            };
            for (row, sums) in sums.iter().enumerate() {
                let sum = sums.iter().fold(start, |sum, &part| _mm512_add_epi32(sum, part));
                let sum = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), unit), bias);
                let out = &mut out[row * width + at * BLOCK..][..BLOCK];
                // SAFETY: there is room for 16 numbers.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    #[inline]
    fn products<T: Fixed>(sum: __m512i, strip: __m512i, inputs: i32) -> __m512i {
        let inputs = _mm512_set1_epi32(inputs);
        match T::SIDE {
            2 => _mm512_dpwssd_epi32(sum, strip, inputs),
            _ => _mm512_dpbusd_epi32(sum, inputs, strip),
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load<T: Fixed>(weights: &[T]) -> __m512i {
        let weights = &weights[..BLOCK * T::SIDE];
        const { assert!(BLOCK * T::SIDE * size_of::<T>() == STRIP) };
        // SAFETY: there are 64 bytes, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(weights.as_ptr().cast()) }
    }

    /// 256 bits.
    #[target_feature(enable = "avx2")]
    pub(super) fn narrow<T: Fixed, const R: usize>(weights: &[T], ends: &Ends, inputs: &[[i32; R]], out: &mut [f32]) {
        let width = out.len() / R;
        let side = BLOCK * T::SIDE;
        for (at, (weights, ends)) in weights.chunks_exact(inputs.len() * side).zip(ends.blocks()).enumerate() {
            let mut sums = [[_mm256_setzero_si256(); 2]; R];
            for (weights, inputs) in weights.chunks_exact(side).zip(inputs) {
                const { assert!(BLOCK * T::SIDE * size_of::<T>() == STRIP) };
                // SAFETY: there are 64 bytes, and the loads need no alignment.
                let halves = unsafe {
                    let first: *const __m256i = weights.as_ptr().cast();
                    [_mm256_loadu_si256(first), _mm256_loadu_si256(first.add(1))]
                };
                for (sums, &inputs) in sums.iter_mut().zip(inputs) {
                    for (sum, weights) in sums.iter_mut().zip(halves) {
                        *sum = _mm256_add_epi32(*sum, halved::<T>(weights, inputs));
                    }
                }
            }
            let (starts, units, bias) = ends;
            for (row, sums) in sums.iter().enumerate() {
                let out = &mut out[row * width + at * BLOCK..][..BLOCK];
                for (half, &sum) in sums.iter().enumerate() {
                    let from = half * 8..half * 8 + 8;
                    // SAFETY: each slice has 8 numbers.
                    unsafe {
                        let start = _mm256_loadu_si256(starts[from.clone()].as_ptr().cast());
                        let unit = _mm256_loadu_ps(units[from.clone()].as_ptr());
                        let bias = _mm256_loadu_ps(bias[from.clone()].as_ptr());
                        let sum = _mm256_cvtepi32_ps(_mm256_add_epi32(sum, start));
                        _mm256_storeu_ps(out[from].as_mut_ptr(), _mm256_add_ps(_mm256_mul_ps(sum, unit), bias));
                    }
                }
            }
        }
    }

    /// Sums of products of neighbours. Bytes are taken apart into 16 bits: the instruction for bytes stops at 32767.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn halved<T: Fixed>(weights: __m256i, inputs: i32) -> __m256i {
        if T::SIDE == 2 {
            return _mm256_madd_epi16(weights, _mm256_set1_epi32(inputs));
        }
        let [even, odd] = [inputs & 0x00ff_00ff, inputs >> 8 & 0x00ff_00ff].map(|inputs| _mm256_set1_epi32(inputs));
        let even_weights = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights));
        let odd_weights = _mm256_srai_epi16::<8>(weights);
        _mm256_add_epi32(_mm256_madd_epi16(even_weights, even), _mm256_madd_epi16(odd_weights, odd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::rng::Rng;

    fn random(count: usize, by: f32, rng: &mut Rng) -> Vec<f32> {
        (0..count).map(|_| (rng.unit() as f32 - 0.5) * by).collect()
    }

    /// A map of inputs up to `reach`, against floats.
    fn is_that_of_floats<T: Fixed>(reach: f32, tolerance: f32) {
        let mut rng = Rng::new(&[1]);
        for (inputs, outputs, rows) in [(1, 1, 1), (7, 5, 3), (64, 192, 9), (130, 40, 4)] {
            let (weights, bias) = (random(inputs * outputs, 1.0, &mut rng), random(outputs, 1.0, &mut rng));
            let dense = Dense::<T>::new(&weights, &bias, inputs);
            let xs = random(inputs * rows, 2.0 * reach, &mut rng);
            let packed: Vec<T> = xs
                .chunks_exact(inputs)
                .flat_map(|row| {
                    let mut row: Vec<T> = row.iter().map(|&x| quantise(x, T::ONE)).collect();
                    row.resize(dense.inputs(), T::default());
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
                    assert!((y - exact - bias[output]).abs() < tolerance, "{inputs} {outputs}: {y}");
                }
            }
        }
    }

    #[test]
    fn the_result_is_that_of_floats_but_for_rounding_whatever_the_sizes() {
        is_that_of_floats::<i16>(2.0, 0.02);
        is_that_of_floats::<i8>(1.0, 0.05);
    }

    fn kernels_agree<T: Fixed>() {
        let mut rng = Rng::new(&[2]);
        let dense = Dense::<T>::new(&random(64 * 48, 2.0, &mut rng), &random(48, 2.0, &mut rng), 64);
        let mut input = || quantise::<T>(rng.unit() as f32 * 2.2 - 1.1, T::ONE); // the ends of bytes, too
        let inputs: Vec<[i32; 3]> = (0..64 / T::SIDE)
            .map(|_| std::array::from_fn(|_| T::joined(&(0..T::SIDE).map(|_| input()).collect::<Vec<T>>())))
            .collect();
        let mut plainly = vec![0.0; 3 * 48];
        plain(&dense.weights, &dense.ends, &inputs, &mut plainly);
        assert!(plainly.iter().any(|&sum| sum != 0.0));
        #[cfg(target_arch = "x86_64")]
        {
            let mut quickly = vec![0.0; 3 * 48];
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                unsafe { x86::narrow(&dense.weights, &dense.ends, &inputs, &mut quickly) };
                assert_eq!(plainly, quickly);
            }
            if std::arch::is_x86_feature_detected!("avx512vnni") && std::arch::is_x86_feature_detected!("avx512f") {
                quickly.fill(0.0);
                // SAFETY: the processor has both.
                unsafe { x86::wide::<T, 3, 2>(&dense.weights, &dense.ends, &inputs, &mut quickly) };
                assert_eq!(plainly, quickly);
            }
        }
    }

    #[test]
    fn every_kernel_gives_the_same_numbers() {
        kernels_agree::<i16>();
        kernels_agree::<i8>();
    }

    #[test]
    fn what_is_written_is_read() {
        fn check<T: Fixed>() {
            let dense = Dense::<T>::new(&[0.5, -1.0, 0.25, 0.0, -0.75, 1.0], &[0.5, -0.5], 3);
            let mut bytes = Vec::new();
            dense.write(&mut bytes);
            assert_eq!(Dense::<T>::read(&mut &bytes[..]), Some(dense));
            assert_eq!(Dense::<T>::read(&mut &bytes[..bytes.len() - 1]), None);
        }
        check::<i16>();
        check::<i8>();
    }

    #[test]
    fn rounding_is_to_the_nearest_and_stops_at_the_ends() {
        let values = [0.0004, -0.0004, 1.0, 99.0, -99.0];
        assert_eq!(values.map(|x| quantise::<i16>(x, i16::ONE)), [1, -1, 2048, 32767, -32767]);
        assert_eq!([0.004, -0.003, 1.0, 99.0, -99.0].map(|x| quantise::<i8>(x, i8::ONE)), [1, 0, 127, 127, -127]);
    }
}

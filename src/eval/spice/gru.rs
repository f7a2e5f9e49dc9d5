//! A gated recurrent unit (Cho et al., EMNLP 2014), read in both directions.

use super::dense::{Dense, Fixed, Rows, quantise};

/// One direction: gates in the order reset, update, new.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Cell<T> {
    /// From an input to the three gates.
    pub input: Dense<T>,
    /// From the state before to the three gates.
    pub state: Dense<i8>,
}

impl<T: Fixed> Cell<T> {
    /// States of sequences of inputs, one behind the other, into columns `first..` of `[words, width]`.
    fn run(&self, inputs: &Rows<T>, lengths: &[usize], backwards: bool, out: &mut [i8], first: usize, width: usize) {
        let size = self.size();
        let (mut given, mut kept) = (Vec::new(), Vec::new());
        self.input.apply(inputs, &mut given);
        let (mut state, mut packed) = (vec![0.0f32; lengths.len() * size], vec![0i8; lengths.len() * size]);
        for step in 0..lengths.iter().copied().max().unwrap_or(0) {
            match lengths {
                [_] => self.state.apply_one(&packed, &mut kept),
                _ => self.state.apply(&Rows::new(&packed, size), &mut kept),
            }
            let mut start = 0;
            let states = state.chunks_exact_mut(size).zip(packed.chunks_exact_mut(size));
            for ((&length, kept), (state, packed)) in lengths.iter().zip(kept.chunks(self.state.width())).zip(states) {
                if step < length {
                    let word = start + if backwards { length - 1 - step } else { step };
                    let given = &given[word * self.input.width()..][..3 * size];
                    gates(given, &kept[..3 * size], state, packed);
                    out[word * width + first..][..size].copy_from_slice(packed);
                }
                start += length;
            }
        }
    }

    /// Numbers in a state.
    pub fn size(&self) -> usize {
        self.state.inputs()
    }

    fn fits(&self, inputs: usize) -> bool {
        self.input.inputs() == inputs
            && self.input.outputs() == 3 * self.size()
            && self.state.outputs() == 3 * self.size()
    }
}

/// The next state from what the input and the state before give to the gates.
fn gates(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i8]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i8]) {
            steps(given, kept, state, packed);
        }
        #[target_feature(enable = "avx512f,avx512bw")]
        fn avx512(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i8]) {
            steps(given, kept, state, packed);
        }
        // No operation is fused, so that the numbers are those of any processor.
        if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw") {
            // SAFETY: the processor has both.
            return unsafe { avx512(given, kept, state, packed) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2(given, kept, state, packed) };
        }
    }
    steps(given, kept, state, packed);
}

#[inline(always)]
fn steps(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i8]) {
    let size = state.len();
    let (given_reset, rest) = given.split_at(size);
    let (given_update, given_new) = rest.split_at(size);
    let (kept_reset, rest) = kept.split_at(size);
    let (kept_update, kept_new) = rest.split_at(size);
    for at in 0..size.min(given_new.len()).min(kept_new.len()).min(packed.len()) {
        let (reset, update) = sigmoids(given_reset[at] + kept_reset[at], given_update[at] + kept_update[at]);
        let new = tanh(given_new[at] + reset * kept_new[at]);
        state[at] = new + update * (state[at] - new);
        packed[at] = quantise(state[at], i8::ONE);
    }
}

/// Two sigmoids by one division.
#[inline(always)]
fn sigmoids(a: f32, b: f32) -> (f32, f32) {
    let ((a_above, a_below), (b_above, b_below)) = (fraction(0.5 * a), fraction(0.5 * b));
    let share = 0.5 / (a_below * b_below);
    let sigmoid = |above: f32, other: f32| (0.5 + above * other * share).clamp(0.0, 1.0);
    (sigmoid(a_above, b_below), sigmoid(b_above, a_below))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    let (above, below) = fraction(x);
    (above / below).clamp(-1.0, 1.0)
}

/// The hyperbolic tangent as a fraction: Lambert's continued one, seven terms, within 0.0001. It needs no library function,
/// which machines round differently.
#[inline(always)]
fn fraction(x: f32) -> (f32, f32) {
    let x = x.clamp(-4.97, 4.97);
    let square = x * x;
    let above = x * (135_135.0 + square * (17_325.0 + square * (378.0 + square)));
    let below = 135_135.0 + square * (62_370.0 + square * (3_150.0 + square * 28.0));
    (above, below)
}

/// Both directions.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Gru<T> {
    pub forward: Cell<T>,
    pub backward: Cell<T>,
}

impl<T: Fixed> Gru<T> {
    /// States of sequences of so many inputs each, one behind the other, `[words, inputs]`: `[words, 2 * size]`,
    /// forward then backward. A few sequences together share a pass over the weights.
    pub fn apply(&self, inputs: &[T], lengths: &[usize]) -> Vec<i8> {
        let (size, width) = (self.forward.size(), self.forward.input.inputs());
        let mut out = vec![0; inputs.len() / width.max(1) * 2 * size];
        let inputs = Rows::new(inputs, width);
        self.forward.run(&inputs, lengths, false, &mut out, 0, 2 * size);
        self.backward.run(&inputs, lengths, true, &mut out, size, 2 * size);
        out
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        for cell in [&self.forward, &self.backward] {
            cell.input.write(out);
            cell.state.write(out);
        }
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged or takes other inputs.
    pub fn read(from: &mut &[u8], inputs: usize) -> Option<Self> {
        let mut cell = || Some(Cell { input: Dense::read(from)?, state: Dense::read(from)? });
        let (forward, backward) = (cell()?, cell()?);
        let fits = forward.fits(inputs) && backward.fits(inputs) && forward.size() == backward.size();
        fits.then_some(Self { forward, backward })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_is_close_to_the_hyperbolic_tangent() {
        for step in -1000..=1000 {
            let x = step as f32 * 0.01;
            assert!((tanh(x) - x.tanh()).abs() < 2e-4, "{x}");
            let (one, other) = sigmoids(x, 2.0 - x);
            let exact = |x: f32| 1.0 / (1.0 + (-x).exp());
            assert!((one - exact(x)).abs() < 2e-4 && (other - exact(2.0 - x)).abs() < 2e-4, "{x}");
        }
    }

    #[test]
    fn each_direction_remembers_what_it_has_read() {
        let mut weights = [0.0; 12 * 2];
        (weights[8 * 2], weights[9 * 2 + 1]) = (2.0, 2.0);
        let cell =
            || Cell { input: Dense::new(&weights, &[0.0; 12], 2), state: Dense::new(&[0.0; 12 * 4], &[0.0; 12], 4) };
        let gru = Gru { forward: cell(), backward: cell() };
        let one = i16::ONE as i16;
        let states = gru.apply(&[one, 0, 0, 0, 0, one], &[3]);
        // Half of the state goes on; the new part is tanh 2 where there is an input.
        let new = 0.964_f32;
        let near = |at: usize, value: f32| (f32::from(states[at]) / i8::ONE - value).abs() < 8e-3;
        assert!(near(0, new / 2.0) && near(8, new / 4.0) && near(16, new / 8.0) && near(1, 0.0) && near(17, new / 2.0));
        assert!(near(21, new / 2.0) && near(13, new / 4.0) && near(5, new / 8.0) && near(20, 0.0));
        // Sequences behind each other do not see each other.
        let both = gru.apply(&[one, 0, 0, 0, 0, one, one, 0, one, 0], &[3, 2]);
        assert_eq!((&both[..24], &both[24..]), (&states[..], &gru.apply(&[one, 0, one, 0], &[2])[..]));
    }
}

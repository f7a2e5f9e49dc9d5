//! A gated recurrent unit (Cho et al., EMNLP 2014), read in both directions.

use super::dense::{Dense, ONE, Rows, quantise};

/// One direction: gates in the order reset, update, new.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Cell {
    /// From an input to the three gates.
    pub input: Dense,
    /// From the state before to the three gates.
    pub state: Dense,
}

impl Cell {
    /// States of sequences of inputs, one behind the other, into columns `first..` of `[words, width]`.
    fn run(&self, inputs: &Rows, lengths: &[usize], backwards: bool, out: &mut [i16], first: usize, width: usize) {
        let size = self.size();
        let (mut given, mut kept) = (Vec::new(), Vec::new());
        self.input.apply(inputs, &mut given);
        let (mut state, mut packed) = (vec![0.0f32; lengths.len() * size], vec![0i16; lengths.len() * size]);
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
fn gates(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i16]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i16]) {
            steps(given, kept, state, packed);
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2. No operation is fused, so that the numbers are those of any processor.
            return unsafe { avx2(given, kept, state, packed) };
        }
    }
    steps(given, kept, state, packed);
}

#[inline(always)]
fn steps(given: &[f32], kept: &[f32], state: &mut [f32], packed: &mut [i16]) {
    let size = state.len();
    let (given_reset, rest) = given.split_at(size);
    let (given_update, given_new) = rest.split_at(size);
    let (kept_reset, rest) = kept.split_at(size);
    let (kept_update, kept_new) = rest.split_at(size);
    for at in 0..size.min(given_new.len()).min(kept_new.len()).min(packed.len()) {
        let reset = sigmoid(given_reset[at] + kept_reset[at]);
        let update = sigmoid(given_update[at] + kept_update[at]);
        let new = tanh(given_new[at] + reset * kept_new[at]);
        state[at] = new + update * (state[at] - new);
        packed[at] = quantise(state[at], ONE);
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    0.5 + 0.5 * tanh(0.5 * x)
}

/// Lambert's continued fraction, seven terms: within 0.0001. It needs no library function, which machines round
/// differently.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let x = x.clamp(-4.97, 4.97);
    let square = x * x;
    let above = x * (135_135.0 + square * (17_325.0 + square * (378.0 + square)));
    let below = 135_135.0 + square * (62_370.0 + square * (3_150.0 + square * 28.0));
    (above / below).clamp(-1.0, 1.0)
}

/// Both directions.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Gru {
    pub forward: Cell,
    pub backward: Cell,
}

impl Gru {
    /// States of sequences of so many inputs each, one behind the other, `[words, inputs]`: `[words, 2 * size]`,
    /// forward then backward. A few sequences together share a pass over the weights.
    pub fn apply(&self, inputs: &[i16], lengths: &[usize]) -> Vec<i16> {
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
        }
    }

    #[test]
    fn each_direction_remembers_what_it_has_read() {
        let cell = || Cell {
            input: Dense::new(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 2.0], &[0.0; 6], 2),
            state: Dense::new(&[0.0; 12], &[0.0; 6], 2),
        };
        let gru = Gru { forward: cell(), backward: cell() };
        let one = ONE as i16;
        let states = gru.apply(&[one, 0, 0, 0, 0, one], &[3]);
        // Half of the state goes on; the new part is tanh 2 where there is an input.
        let new = 0.964_f32;
        let near = |at: usize, value: f32| (f32::from(states[at]) / ONE - value).abs() < 2e-3;
        assert!(near(0, new / 2.0) && near(4, new / 4.0) && near(8, new / 8.0) && near(1, 0.0) && near(9, new / 2.0));
        assert!(near(11, new / 2.0) && near(7, new / 4.0) && near(3, new / 8.0) && near(10, 0.0));
        // Sequences behind each other do not see each other.
        let both = gru.apply(&[one, 0, 0, 0, 0, one, one, 0, one, 0], &[3, 2]);
        assert_eq!((&both[..12], &both[12..]), (&states[..], &gru.apply(&[one, 0, one, 0], &[2])[..]));
    }
}

//! Linear models of hashed features: a table of weights, and a place in it for every feature.

use super::bytes::{shorts, take, take_shorts};

/// Spreads what is close together (the golden ratio, and another odd number without a pattern).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const OTHER: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// The feature of a kind that two numbers make.
pub(crate) fn feature(kind: u8, first: u32, second: u32) -> u32 {
    let first = (u64::from(first) + 1).wrapping_mul(SPREAD);
    let second = (u64::from(second) + 1 + (u64::from(kind) << 32)).wrapping_mul(OTHER);
    let mixed = first ^ second;
    ((mixed ^ mixed >> 29).wrapping_mul(SPREAD) >> 32) as u32
}

/// Where the weight of a feature with a class lies, in a table of a power of two of weights. Features that meet share a
/// weight; the classes of a feature lie side by side.
pub(crate) fn place(feature: u32, class: u16, length: usize) -> usize {
    (feature.wrapping_add(class.into()) as usize) & (length - 1)
}

/// Weights by [`place`]. All are zero until it is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linear {
    /// A power of two of them.
    weights: Vec<i16>,
}

impl Default for Linear {
    fn default() -> Self {
        Self { weights: vec![0] }
    }
}

impl Linear {
    /// What stands for a weight of 1, a factor of e in odds.
    pub const ONE: f32 = 256.0;

    /// Rounds a table that has the length of a power of two.
    pub fn new(weights: &[f32]) -> Self {
        debug_assert!(weights.len().is_power_of_two());
        let rounded = |weight: &f32| (weight * Self::ONE).round() as i16;
        Self { weights: weights.iter().map(rounded).collect() }
    }

    pub fn weight(&self, feature: u32, class: u16) -> i32 {
        self.weights[place(feature, class, self.weights.len())].into()
    }

    /// The sum over features of one class.
    pub fn sum(&self, features: &[u32]) -> i32 {
        features.iter().map(|&feature| self.weight(feature, 0)).sum()
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.weights.len().ilog2() as u8);
        shorts(out, &self.weights);
    }

    /// Reads what [`write`](Self::write) wrote, and steps over it; `None` where it is damaged.
    pub fn read(from: &mut &[u8]) -> Option<Self> {
        let length = 1usize.checked_shl(take(from, 1)?[0].into())?;
        Some(Self { weights: take_shorts(from, length)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_places_of_their_own_and_classes_lie_together() {
        let features = [feature(0, 1, 2), feature(0, 2, 1), feature(1, 1, 2), feature(0, 1, 3)];
        let distinct: std::collections::BTreeSet<usize> = features.iter().map(|&one| place(one, 0, 1 << 20)).collect();
        assert_eq!(distinct.len(), features.len());
        assert_eq!(place(u32::MAX, 3, 8), 2);
    }

    #[test]
    fn it_is_read_as_written() {
        let linear = Linear::new(&[0.5, -1.0, 200.0, 0.001]);
        assert_eq!([0, 1, 2, 3].map(|class| linear.weight(4, class)), [128, -256, i16::MAX.into(), 0]);
        assert_eq!(linear.sum(&[0, 1, 5]), 128 - 256 - 256);
        let mut bytes = Vec::new();
        linear.write(&mut bytes);
        assert_eq!(Linear::read(&mut &bytes[..]), Some(linear));
        assert_eq!(Linear::read(&mut &bytes[..7]), None);
        assert_eq!(Linear::read(&mut &[64][..]), None);
        assert_eq!(Linear::default().sum(&[1, 9]), 0);
    }
}

//! Value noise and the textures of the ground made from it.

use super::geometry::{Frame, Point};
use crate::util::rng::Rng;

/// Red, green and blue, 0 to 1, as displayed.
pub(super) type Rgb = [f64; 3];

/// `a` where `t` is 0, `b` where it is 1.
pub(super) fn mix(a: Rgb, b: Rgb, t: f64) -> Rgb {
    std::array::from_fn(|c| a[c] + (b[c] - a[c]) * t)
}

/// A colour made lighter or darker.
pub(super) fn scaled(colour: Rgb, factor: f64) -> Rgb {
    colour.map(|value| value * factor)
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smoothstep(low: f64, high: f64, x: f64) -> f64 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A random number in `[0, 1)` for each lattice point.
fn lattice(seed: u32, x: i64, y: i64) -> f64 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x8DA6_B343) ^ (y as u32).wrapping_mul(0xD816_3841);
    h = (h ^ (h >> 16)).wrapping_mul(0x7FEB_352D);
    h = (h ^ (h >> 15)).wrapping_mul(0x846C_A68B);
    h ^= h >> 16;
    f64::from(h) / 4_294_967_296.0
}

/// Value noise in `[0, 1)`: lattice values joined smoothly.
pub(super) fn value(seed: u32, x: f64, y: f64) -> f64 {
    let (x0, y0) = (x.floor(), y.floor());
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let (u, v) = (smooth(x - x0), smooth(y - y0));
    let (i, j) = (x0 as i64, y0 as i64);
    let top = lattice(seed, i, j) * (1.0 - u) + lattice(seed, i + 1, j) * u;
    let low = lattice(seed, i, j + 1) * (1.0 - u) + lattice(seed, i + 1, j + 1) * u;
    top * (1.0 - v) + low * v
}

/// Sum of `octaves` of value noise, each half as large and as strong as the one before; about 0.5 +- 0.3.
pub(super) fn fractal(seed: u32, x: f64, y: f64, octaves: u32) -> f64 {
    let (mut sum, mut weight, mut total, mut frequency) = (0.0, 1.0, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * value(seed.wrapping_add(octave), x * frequency, y * frequency);
        total += weight;
        weight *= 0.5;
        frequency *= 2.03;
    }
    sum / total
}

/// Triangle wave of period 1 between 0 and 1.
pub(super) fn wave(x: f64) -> f64 {
    let t = x - x.floor();
    if t < 0.5 { 2.0 * t } else { 2.0 - 2.0 * t }
}

/// Two colours mixed by large noise, with grain and, if wanted, stripes.
#[derive(Debug, Clone)]
pub(super) struct Texture {
    pub dark: Rgb,
    pub light: Rgb,
    /// Size of the patches, units.
    pub patch: f64,
    /// Strength of the grain.
    pub grain: f64,
    /// Stripes across the y axis of a frame: the frame, their period in units, their strength.
    pub stripes: Option<(Frame, f64, f64)>,
    pub seed: u32,
}

impl Texture {
    pub(super) fn new(rng: &mut Rng, dark: Rgb, light: Rgb, patch: f64, grain: f64) -> Self {
        Self { dark, light, patch, grain, stripes: None, seed: rng.next_u64() as u32 }
    }

    pub(super) fn striped(mut self, frame: Frame, period: f64, strength: f64) -> Self {
        self.stripes = Some((frame, period, strength));
        self
    }

    pub(super) fn at(&self, p: Point) -> Rgb {
        let patches = fractal(self.seed, p.x / self.patch, p.y / self.patch, 5);
        let mut colour = mix(self.dark, self.light, ((patches - 0.5) * 1.9 + 0.5).clamp(0.0, 1.0));
        let mut shade = 1.0 + self.grain * (value(self.seed ^ 0x55, p.x / 1.3, p.y / 1.3) - 0.5);
        if let Some((frame, period, strength)) = &self.stripes {
            let local = frame.local(p);
            let bend = (fractal(self.seed ^ 0x77, p.x / 40.0, p.y / 40.0, 2) - 0.5) * period * 0.5;
            shade += strength * (wave((local.y + bend) / period) - 0.5);
        }
        colour = scaled(colour, shade);
        colour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_smooth_fixed_and_within_its_bounds() {
        for step in 0..1000 {
            let (x, y) = (f64::from(step) * 0.37 - 50.0, f64::from(step) * 0.11 - 20.0);
            let here = fractal(9, x, y, 4);
            assert!((0.0..1.0).contains(&here));
            assert!((here - fractal(9, x + 1e-4, y, 4)).abs() < 0.01);
        }
        assert_ne!(value(1, 0.0, 0.0), value(2, 0.0, 0.0));
    }
}

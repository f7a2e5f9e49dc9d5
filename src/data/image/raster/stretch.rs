//! From samples of any kind to 8 bits: which value becomes black and which white.

use super::{Raster, SampleKind, Window};
use ::image::RgbImage;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How samples become 8 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Stretch {
    /// [`Stretch::None`] for 8 bits and fewer, otherwise percentiles 2 to 98.
    #[default]
    Auto,
    /// The whole range of the samples' kind: 0 to 255, 0 to 65535; floating-point samples from 0 to 1.
    None,
    /// From one percentile of the whole picture's valid pixels to another, in each band for itself.
    Percentiles(f64, f64),
    /// From a value to another, the same in each band.
    Range(f64, f64),
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Percentiles(2.0, 98.0) => f.write_str("percent"),
            Self::Percentiles(low, high) => write!(f, "{low}%-{high}%"),
            Self::Range(low, high) => write!(f, "{low}-{high}"),
        }
    }
}

impl FromStr for Stretch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is no stretch; use none, percent (2%-98%), two percentiles such as 1%-99%, or two values \
                such as 0-10000"
            )
        };
        match text {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::None),
            "percent" => return Ok(Self::Percentiles(2.0, 98.0)),
            _ => {}
        }
        // The sign of a negative first value is no separator.
        let (at, _) = text.char_indices().skip(1).find(|(_, c)| *c == '-').ok_or_else(wrong)?;
        let (low, high) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
        let stretch = match (low.trim().strip_suffix('%'), high.trim().strip_suffix('%')) {
            (Some(low), Some(high)) => number(low)
                .zip(number(high))
                .filter(|(low, high)| (0.0..=100.0).contains(low) && (0.0..=100.0).contains(high))
                .map(|(low, high)| (low, high, Self::Percentiles as fn(f64, f64) -> Self)),
            (None, None) => {
                number(low).zip(number(high)).map(|(low, high)| (low, high, Self::Range as fn(f64, f64) -> Self))
            }
            _ => None,
        };
        stretch.filter(|(low, high, _)| low < high).map(|(low, high, make)| make(low, high)).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Stretch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Stretch> for String {
    fn from(stretch: Stretch) -> Self {
        stretch.to_string()
    }
}

/// What becomes 0 and what 255, for each band that is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale(pub Vec<(f64, f64)>);

/// Blocks that percentiles are taken from, and pixels in all.
const BLOCKS: u32 = 64;
const BLOCK_SIDE: u32 = 128;

impl Stretch {
    /// The scale for these bands of a picture. Percentiles are those of blocks spread evenly over the whole of it, or
    /// of all pixels where it is small.
    pub fn scale(self, raster: &Raster, bands: &[usize]) -> Result<Scale> {
        let whole = match raster.kind {
            SampleKind::Unsigned(bits) if bits <= 8 => (0.0, if raster.is_colour() { 255.0 } else { top(bits) }),
            SampleKind::Unsigned(bits) => (0.0, top(bits)),
            SampleKind::Signed(bits) => (-top(bits - 1) - 1.0, top(bits - 1)),
            SampleKind::Float(_) => (0.0, 1.0),
        };
        let (low, high) = match self {
            Self::None => return Ok(Scale(vec![whole; bands.len()])),
            Self::Auto if matches!(raster.kind, SampleKind::Unsigned(bits) if bits <= 8) => {
                return Ok(Scale(vec![whole; bands.len()]));
            }
            Self::Range(low, high) => return Ok(Scale(vec![(low, high); bands.len()])),
            Self::Auto => (2.0, 98.0),
            Self::Percentiles(low, high) => (low, high),
        };
        let samples = sampled(raster, bands)?;
        Ok(Scale(samples.into_iter().map(|values| (percentile(&values, low), percentile(&values, high))).collect()))
    }
}

fn top(bits: u8) -> f64 {
    ((1u64 << bits) - 1) as f64
}

/// Valid values of each band, sorted.
fn sampled(raster: &Raster, bands: &[usize]) -> Result<Vec<Vec<f32>>> {
    let mut values = vec![Vec::new(); bands.len()];
    for (x, y, width, height) in blocks(raster.width, raster.height) {
        let window = raster.read_window(x, y, width, height, bands)?;
        for (values, plane) in values.iter_mut().zip(&window.values) {
            let valid = plane.iter().zip(&window.valid).filter(|(value, valid)| **valid && value.is_finite());
            values.extend(valid.map(|(value, _)| *value));
        }
    }
    values.iter_mut().for_each(|values| values.sort_by(f32::total_cmp));
    Ok(values)
}

/// Column, row, width and height of the blocks.
fn blocks(width: u32, height: u32) -> Vec<(u32, u32, u32, u32)> {
    if u64::from(width) * u64::from(height) <= u64::from(BLOCKS * BLOCK_SIDE * BLOCK_SIDE) {
        return vec![(0, 0, width, height)];
    }
    let side = BLOCKS.isqrt();
    let places = |length: u32| {
        let block = BLOCK_SIDE.min(length);
        let count = side.min(length / block).max(1);
        (0..count).map(move |i| {
            let middle = (2 * u64::from(i) + 1) * u64::from(length) / (2 * u64::from(count));
            ((middle as u32).saturating_sub(block / 2).min(length - block), block)
        })
    };
    places(height).flat_map(|(y, h)| places(width).map(move |(x, w)| (x, y, w, h))).collect()
}

/// Between the two nearest, as NumPy's `percentile` has it; 0 of no values.
fn percentile(sorted: &[f32], percent: f64) -> f64 {
    let place = percent / 100.0 * sorted.len().saturating_sub(1) as f64;
    let at = |index: usize| sorted.get(index).map_or(0.0, |value| f64::from(*value));
    let below = at(place.floor() as usize);
    below + (at(place.ceil() as usize) - below) * place.fract()
}

/// Three bands, or one for all three colours, as 8 bits: rounded to the nearest, clamped; black where not valid.
pub fn to_rgb8(window: &Window, scale: &Scale) -> Result<RgbImage> {
    let planes: Vec<(&Vec<f32>, (f64, f64))> = window.values.iter().zip(scale.0.iter().copied()).collect();
    let channels = match planes.as_slice() {
        [gray] => [gray; 3],
        [red, green, blue] => [red, green, blue],
        other => bail!("is to be shown by {} bands; give one or three", other.len()),
    };
    let mut pixels = vec![0; 3 * window.valid.len()];
    for (channel, (plane, (low, high))) in channels.into_iter().enumerate() {
        let factor = if high > low { 255.0 / (high - low) } else { 0.0 };
        let values = plane.iter().zip(&window.valid);
        for (pixel, (value, valid)) in pixels.chunks_exact_mut(3).zip(values) {
            let shown = (f64::from(*value) - low) * factor;
            if let Some(to) = pixel.get_mut(channel)
                && *valid
                && shown.is_finite()
            {
                *to = shown.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    RgbImage::from_raw(window.width, window.height, pixels).ok_or_else(|| anyhow::anyhow!("is damaged"))
}

//! The TIFF layouts that the image decoder leaves out: colours by palette, and gray with transparency.

use super::decode::{check_size, decode_as};
use ::image::{ImageFormat, RgbImage};
use anyhow::{Result, bail};
use std::io::Cursor;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};

const PHOTOMETRIC: u16 = 262;
const COLOUR_MAP: u16 = 320;
const PALETTE: u16 = 3;
const BLACK_IS_ZERO: u16 = 1;

/// Decodes one of these layouts; `None` for a TIFF of any other.
pub(super) fn special(bytes: &[u8]) -> Result<Option<RgbImage>> {
    if let Some(directory) = Directory::first(bytes)
        && directory.entry(PHOTOMETRIC).and_then(|entry| directory.short(entry + 8)) == Some(PALETTE)
    {
        return palette(&directory).map(Some);
    }
    gray_alpha(bytes)
}

/// An image of 8-bit indices: decoded as if they were gray, then looked up.
fn palette(directory: &Directory) -> Result<RgbImage> {
    let Some((entry, map)) = directory.entry(PHOTOMETRIC).zip(directory.colour_map()) else {
        bail!("is damaged: its palette is missing or does not have 256 colours");
    };
    let mut bytes = directory.bytes.to_vec();
    let gray = if directory.big_endian { BLACK_IS_ZERO.to_be_bytes() } else { BLACK_IS_ZERO.to_le_bytes() };
    if let Some(value) = bytes.get_mut(entry + 8..entry + 10) {
        value.copy_from_slice(&gray);
    }
    let mut image = decode_as(&bytes, ImageFormat::Tiff)?;
    for pixel in image.pixels_mut() {
        let index = usize::from(pixel.0[0]);
        for (channel, value) in pixel.0.iter_mut().enumerate() {
            *value = map.get(channel * 256 + index).copied().unwrap_or_default();
        }
    }
    Ok(image)
}

fn gray_alpha(bytes: &[u8]) -> Result<Option<RgbImage>> {
    let mut decoder = Decoder::new(Cursor::new(bytes))?;
    let wide = match decoder.colortype() {
        Ok(ColorType::Multiband { bit_depth: 8, num_samples: 2 }) => 1,
        Ok(ColorType::Multiband { bit_depth: 16, num_samples: 2 }) => 2,
        _ => return Ok(None),
    };
    let (width, height) = decoder.dimensions()?;
    let pixels = u64::from(width) * u64::from(height);
    check_size(width, height, pixels * 2 * wide)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = super::MAX_BYTES as usize;
    let gray: Vec<u8> = match decoder.with_limits(limits).read_image()? {
        DecodingResult::U8(samples) => samples.into_iter().step_by(2).collect(),
        DecodingResult::U16(samples) => samples.into_iter().step_by(2).map(upper_byte).collect(),
        _ => return Ok(None),
    };
    if gray.len() as u64 != pixels {
        bail!("has an unsupported format: gray and alpha in separate planes");
    }
    let rgb = gray.into_iter().flat_map(|value| [value; 3]).collect();
    Ok(RgbImage::from_raw(width, height, rgb))
}

/// 16 bits to 8, to the nearest.
fn upper_byte(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// The first image file directory of a classic TIFF: 12 bytes an entry (tag, type, count, value or offset).
struct Directory<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    entries: usize,
    count: u16,
}

impl<'a> Directory<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let mut directory = Self { bytes, big_endian: bytes.starts_with(b"MM"), entries: 0, count: 0 };
        if directory.short(2)? != 42 {
            return None;
        }
        let start = directory.long(4)? as usize;
        directory.count = directory.short(start)?;
        directory.entries = start + 2;
        Some(directory)
    }

    fn short(&self, at: usize) -> Option<u16> {
        let pair: [u8; 2] = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let four: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    }

    /// Where the entry of a tag begins.
    fn entry(&self, tag: u16) -> Option<usize> {
        (0..usize::from(self.count)).map(|i| self.entries + 12 * i).find(|&at| self.short(at) == Some(tag))
    }

    /// 256 reds, greens and blues.
    fn colour_map(&self) -> Option<Vec<u8>> {
        let entry = self.entry(COLOUR_MAP)?;
        if self.long(entry + 4)? != 3 * 256 {
            return None;
        }
        let start = self.long(entry + 8)? as usize;
        let values: Option<Vec<u16>> = (0..3 * 256).map(|i| self.short(start + 2 * i)).collect();
        let values = values?;
        // Some writers store 8-bit values in these 16-bit fields.
        let small = values.iter().all(|&value| value < 256);
        Some(values.into_iter().map(|value| if small { value as u8 } else { (value >> 8) as u8 }).collect())
    }
}

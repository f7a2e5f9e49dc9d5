//! Windows of a picture: values by band, and where they are valid.

use super::chunk::Chunk;
use super::layout::SampleKind;
use super::{Raster, cache::Chunks};
use anyhow::{Result, bail};

/// A part of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    pub width: u32,
    pub height: u32,
    /// For each band that was asked for its values, row by row.
    pub values: Vec<Vec<f32>>,
    /// Row by row; not where a mask or transparency says so, or where every band is nodata or no number.
    pub valid: Vec<bool>,
}

impl Window {
    /// The part of the pixels that are valid, 0 to 1.
    pub fn valid_share(&self) -> f64 {
        self.valid.iter().filter(|valid| **valid).count() as f64 / self.valid.len().max(1) as f64
    }
}

/// Column, row, width and height.
#[derive(Debug, Clone, Copy)]
struct Place {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Raster {
    /// The bands, counted from 0, of `width` x `height` pixels from column `x` and row `y` on. 32-bit whole numbers and
    /// 64-bit floats are rounded to `f32`.
    ///
    /// # Errors
    /// Windows beyond the edges, bands that are not there, damaged chunks; what follows "the image".
    pub fn read_window(&self, x: u32, y: u32, width: u32, height: u32, bands: &[usize]) -> Result<Window> {
        let inside = |start: u32, length: u32, end: u32| start.checked_add(length).is_some_and(|stop| stop <= end);
        if !inside(x, width, self.width) || !inside(y, height, self.height) || width == 0 || height == 0 {
            bail!("has {}x{} pixels: no window of {width}x{height} at {x}, {y}", self.width, self.height);
        }
        if let Some(band) = bands.iter().find(|band| **band >= self.bands) {
            bail!("has {} bands: no band {}", self.bands, band + 1);
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels.saturating_mul(4 * (bands.len() as u64 + 1)) > self.limits.bytes {
            bail!("is too large: a window of {width}x{height} pixels (at most {} MiB)", self.limits.bytes >> 20);
        }
        let place = Place { x, y, width, height };
        // A fault in a decoder must not end a run over thousands of images.
        let read = std::panic::AssertUnwindSafe(|| self.read(place, bands));
        std::panic::catch_unwind(read).unwrap_or_else(|_| bail!("is damaged (decoder error)"))
    }

    fn read(&self, place: Place, bands: &[usize]) -> Result<Window> {
        let fill = self.nodata.unwrap_or(0.0) as f32;
        let mut valid = vec![true; place.width as usize * place.height as usize];
        let values = match &self.palette {
            Some(palette) => {
                let indices = planes(&self.chunks, place, &[0], fill)?;
                let indices = indices.first().map(Vec::as_slice).unwrap_or_default();
                self.mark(std::iter::once(indices), &mut valid);
                let colour = |index: f32, band: usize| {
                    palette.get(index as usize).and_then(|colour| colour.get(band)).map_or(0.0, |value| (*value).into())
                };
                bands.iter().map(|band| indices.iter().map(|index| colour(*index, *band)).collect()).collect()
            }
            None => {
                let values = planes(&self.chunks, place, bands, fill)?;
                self.mark(values.iter().map(Vec::as_slice), &mut valid);
                values
            }
        };
        let hide = |planes: Vec<Vec<f32>>, valid: &mut Vec<bool>| {
            for plane in planes {
                valid.iter_mut().zip(plane).for_each(|(valid, value)| *valid &= value > 0.0);
            }
        };
        if let Some(alpha) = self.alpha {
            hide(planes(&self.chunks, place, &[alpha], 0.0)?, &mut valid);
        }
        if let Some(mask) = &self.mask {
            hide(planes(mask, place, &[0], 0.0)?, &mut valid);
        }
        Ok(Window { width: place.width, height: place.height, values, valid })
    }

    /// Marks what is nodata, or no number, in every band.
    fn mark<'a>(&self, planes: impl Iterator<Item = &'a [f32]>, valid: &mut [bool]) {
        let float = matches!(self.kind, SampleKind::Float(_));
        if self.nodata.is_none() && !float {
            return;
        }
        let nodata = self.nodata.map(|value| value as f32);
        let mut seen = vec![false; valid.len()];
        for plane in planes {
            for (seen, value) in seen.iter_mut().zip(plane) {
                *seen |= Some(*value) != nodata && value.is_finite();
            }
        }
        valid.iter_mut().zip(seen).for_each(|(valid, seen)| *valid &= seen);
    }
}

/// The values of bands; those of chunks that are left out are `fill`.
fn planes(chunks: &Chunks, place: Place, bands: &[usize], fill: f32) -> Result<Vec<Vec<f32>>> {
    let layout = &chunks.layout;
    let mut planes = vec![vec![fill; place.width as usize * place.height as usize]; bands.len()];
    let (columns, rows) = (
        place.x / layout.chunk_width..=(place.x + place.width - 1) / layout.chunk_width,
        place.y / layout.chunk_height..=(place.y + place.height - 1) / layout.chunk_height,
    );
    for row in rows {
        for column in columns.clone() {
            let corner = (column * layout.chunk_width, row * layout.chunk_height);
            if layout.planar {
                for (plane, band) in planes.iter_mut().zip(bands) {
                    if let Some(chunk) = chunks.get(column, row, *band)? {
                        copy(&chunk, corner, layout.kind, 0, place, plane);
                    }
                }
            } else if let Some(chunk) = chunks.get(column, row, 0)? {
                for (plane, band) in planes.iter_mut().zip(bands) {
                    copy(&chunk, corner, layout.kind, *band, place, plane);
                }
            }
        }
    }
    Ok(planes)
}

/// Copies what a chunk has of a window's band.
fn copy(chunk: &Chunk, corner: (u32, u32), kind: SampleKind, band: usize, place: Place, plane: &mut [f32]) {
    match kind {
        SampleKind::Unsigned(16) => copy_as(chunk, corner, band, place, plane, |b| f32::from(u16::from_le_bytes(b))),
        SampleKind::Unsigned(32) => copy_as(chunk, corner, band, place, plane, |b| u32::from_le_bytes(b) as f32),
        SampleKind::Unsigned(_) => copy_as(chunk, corner, band, place, plane, |[b]| f32::from(b)),
        SampleKind::Signed(16) => copy_as(chunk, corner, band, place, plane, |b| f32::from(i16::from_le_bytes(b))),
        SampleKind::Signed(32) => copy_as(chunk, corner, band, place, plane, |b| i32::from_le_bytes(b) as f32),
        SampleKind::Signed(_) => copy_as(chunk, corner, band, place, plane, |[b]| f32::from(b.cast_signed())),
        SampleKind::Float(16) => copy_as(chunk, corner, band, place, plane, |b| half(u16::from_le_bytes(b))),
        SampleKind::Float(64) => copy_as(chunk, corner, band, place, plane, |b| f64::from_le_bytes(b) as f32),
        SampleKind::Float(_) => copy_as(chunk, corner, band, place, plane, f32::from_le_bytes),
    }
}

fn copy_as<const SIZE: usize>(
    chunk: &Chunk,
    (left, top): (u32, u32),
    band: usize,
    place: Place,
    plane: &mut [f32],
    value: impl Fn([u8; SIZE]) -> f32,
) {
    let skipped = left.saturating_sub(place.x) as usize; // columns of the window before the chunk
    let from = place.x.saturating_sub(left) as usize; // columns of the chunk before the window
    let pixel = SIZE * chunk.samples;
    let first = from * pixel + band * SIZE;
    for y in top.max(place.y)..place.y + place.height {
        let start = (y - top) as usize * chunk.row;
        let Some(source) = chunk.bytes.get(start + first..start + chunk.row) else { break };
        let to = (y - place.y) as usize * place.width as usize;
        let Some(target) = plane.get_mut(to + skipped..to + place.width as usize) else { break };
        for (to, from) in target.iter_mut().zip(source.chunks(pixel)) {
            if let Some(bytes) = from.first_chunk::<SIZE>() {
                *to = value(*bytes);
            }
        }
    }
}

/// An IEEE 754 half.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, part) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * part * 2f32.powi(-24),
        31 if part == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + part / 1024.0) * 2f32.powi(exponent - 15),
    }
}

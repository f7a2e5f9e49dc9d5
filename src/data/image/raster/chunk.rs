//! A chunk (tile or strip) of a TIFF: unpacked from its compression and predictor to samples of whole bytes.

use super::layout::{CMYK, Compression, Layout, SampleKind, WHITE_IS_ZERO, YCBCR};
use crate::data::image::jpeg::is_whole;
use ::image::ImageFormat;
use anyhow::{Result, anyhow, bail};
use std::io::Read;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Samples by row, column and band, each in whole little-endian bytes.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Bytes from a row to the next.
    pub(super) row: usize,
    /// Samples of a pixel.
    pub(super) samples: usize,
}

/// Unpacks a chunk that has `rows` rows.
pub(super) fn unpack(layout: &Layout, packed: &[u8], rows: u32) -> Result<Chunk> {
    let samples = layout.interleaved();
    let width = layout.chunk_width as usize;
    if layout.compression == Compression::Jpeg || layout.compression == Compression::Webp {
        let picture = match layout.compression {
            Compression::Jpeg => jpeg(layout, packed)?,
            _ => webp(samples, packed)?,
        };
        return finished(layout, fit(picture, width, rows as usize, samples), samples);
    }
    let reversed;
    let packed = if layout.reversed_bits && layout.compression == Compression::None && layout.kind.bits() < 8 {
        reversed = packed.iter().map(|byte| byte.reverse_bits()).collect::<Vec<_>>();
        &reversed
    } else {
        packed
    };
    if layout.is_subsampled() {
        let (across, down) = layout.subsampling;
        let units = layout.chunk_width.div_ceil(across) as usize * rows.div_ceil(down) as usize;
        let unit = (across * down + 2) as usize;
        let bytes = decompress(layout.compression, packed, units * unit)?;
        return finished(layout, from_subsampled(layout, &bytes, rows), 3);
    }
    let row = layout.row_bytes() as usize;
    let mut bytes = decompress(layout.compression, packed, row * rows as usize)?;
    for row in bytes.chunks_exact_mut(row) {
        unpredict(layout, row)?;
    }
    if layout.kind.bits() < 8 {
        bytes = bytes.chunks_exact(row).flat_map(|row| widen(row, layout.kind.bits(), width * samples)).collect();
    }
    finished(layout, bytes, samples)
}

/// Colours where they are stored as something else.
fn finished(layout: &Layout, mut bytes: Vec<u8>, samples: usize) -> Result<Chunk> {
    let eight = layout.kind == SampleKind::Unsigned(8);
    match layout.photometric {
        WHITE_IS_ZERO => invert(layout.kind, &mut bytes),
        CMYK if eight && samples == 4 => {
            let pixels = bytes.as_chunks::<4>().0;
            bytes = pixels.iter().flat_map(|pixel| from_cmyk(*pixel)).collect();
            return Ok(Chunk { row: 3 * layout.chunk_width as usize, bytes, samples: 3 });
        }
        YCBCR if eight && samples >= 3 && layout.compression != Compression::Jpeg && !layout.is_subsampled() => {
            for pixel in bytes.chunks_exact_mut(samples) {
                if let Some(first) = pixel.first_chunk_mut::<3>() {
                    *first = from_ycbcr(*first);
                }
            }
        }
        _ => {}
    }
    let sample = usize::from(layout.kind.bits().max(8) / 8);
    Ok(Chunk { row: layout.chunk_width as usize * samples * sample, bytes, samples })
}

fn invert(kind: SampleKind, bytes: &mut [u8]) {
    let top = match kind {
        SampleKind::Unsigned(bits) if bits < 8 => (1u8 << bits) - 1,
        SampleKind::Unsigned(_) => u8::MAX,
        _ => return,
    };
    bytes.iter_mut().for_each(|byte| *byte = top - (*byte & top));
}

/// As the `image` crate has it.
fn from_cmyk([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let light = 1.0 - f32::from(black) / 255.0;
    [cyan, magenta, yellow].map(|ink| ((255.0 - f32::from(ink)) * light) as u8)
}

/// The full range of ITU-R BT.601 (TIFF 6.0, section 21, with the coefficients that every writer takes).
fn from_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let colours = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    colours.map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// Units of some luminances, then the two colour differences that they share (TIFF 6.0, section 21).
fn from_subsampled(layout: &Layout, bytes: &[u8], rows: u32) -> Vec<u8> {
    let (across, down) = (layout.subsampling.0 as usize, layout.subsampling.1 as usize);
    let (width, units) = (layout.chunk_width as usize, (layout.chunk_width as usize).div_ceil(across));
    let unit = across * down + 2;
    let mut pixels = Vec::with_capacity(3 * width * rows as usize);
    for y in 0..rows as usize {
        for x in 0..width {
            let start = (y / down * units + x / across) * unit;
            let at = |offset: usize| bytes.get(start + offset).copied().unwrap_or_default();
            let luminance = at(y % down * across + x % across);
            pixels.extend(from_ycbcr([luminance, at(across * down), at(across * down + 1)]));
        }
    }
    pixels
}

/// At most `length` bytes, filled up where there are fewer rows than the file says there should be.
fn decompress(compression: Compression, packed: &[u8], length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let damaged = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => anyhow!("is truncated"),
        _ => anyhow!("is damaged: {error}"),
    };
    let limit = length as u64;
    match compression {
        Compression::None => bytes.extend_from_slice(packed.get(..length.min(packed.len())).unwrap_or_default()),
        Compression::Deflate => {
            flate2::read::ZlibDecoder::new(packed).take(limit).read_to_end(&mut bytes).map_err(damaged)?;
        }
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(packed).map_err(damaged)?;
            decoder.take(limit).read_to_end(&mut bytes).map_err(damaged)?;
        }
        Compression::PackBits => pack_bits(packed, length, &mut bytes),
        Compression::Lzw => lzw(packed, length, &mut bytes)?,
        Compression::Jpeg | Compression::Webp => {}
    }
    if bytes.len() < length {
        bail!("is truncated");
    }
    Ok(bytes)
}

fn lzw(packed: &[u8], length: usize, bytes: &mut Vec<u8>) -> Result<()> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    bytes.resize(length, 0);
    let (mut read, mut written) = (0, 0);
    while let (Some(input), Some(output)) = (packed.get(read..), bytes.get_mut(written..)) {
        let result = decoder.decode_bytes(input, output);
        (read, written) = (read + result.consumed_in, written + result.consumed_out);
        match result.status {
            _ if written == length => break,
            Ok(weezl::LzwStatus::Ok) => {}
            Ok(_) => bail!("is truncated"),
            Err(_) => bail!("is damaged: its LZW codes are wrong"),
        }
    }
    Ok(())
}

fn pack_bits(mut packed: &[u8], length: usize, bytes: &mut Vec<u8>) {
    while let Some((&head, rest)) = packed.split_first()
        && bytes.len() < length
    {
        packed = match head.cast_signed() {
            -128 => rest,
            count if count >= 0 => {
                let (literal, after) = rest.split_at(rest.len().min(usize::from(head) + 1));
                bytes.extend_from_slice(literal);
                after
            }
            count => {
                let Some((&value, after)) = rest.split_first() else { break };
                bytes.extend(std::iter::repeat_n(value, usize::from(count.unsigned_abs()) + 1));
                after
            }
        };
    }
    bytes.truncate(length);
}

/// Undoes the predictor of a row and makes it little-endian.
fn unpredict(layout: &Layout, row: &mut [u8]) -> Result<()> {
    let (bits, samples) = (layout.kind.bits(), layout.interleaved());
    let size = usize::from(bits / 8);
    match layout.predictor {
        3 if matches!(layout.kind, SampleKind::Float(_)) => {
            for at in samples..row.len() {
                if let [before, .., last] = row.get_mut(at - samples..=at).unwrap_or_default() {
                    *last = last.wrapping_add(*before);
                }
            }
            // The bytes of a row's values lie apart: all highest ones first.
            let apart = row.to_vec();
            let count = row.len() / size;
            for (index, value) in row.chunks_exact_mut(size).enumerate() {
                for (byte, to) in value.iter_mut().rev().enumerate() {
                    *to = apart.get(byte * count + index).copied().unwrap_or_default();
                }
            }
            return Ok(());
        }
        3 => bail!("is damaged: whole numbers with a predictor for floating-point numbers"),
        1 | 2 => {}
        other => bail!("has an unknown predictor ({other})"),
    }
    if layout.big_endian && size > 1 {
        row.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    if layout.predictor == 2 && size > 0 {
        let step = samples * size;
        for at in (step..row.len()).step_by(size) {
            let (before, rest) = row.split_at_mut(at);
            let (Some(earlier), Some(value)) = (before.get(at - step..at - step + size), rest.get_mut(..size)) else {
                continue;
            };
            let mut carry = 0;
            for (to, from) in value.iter_mut().zip(earlier) {
                let sum = u16::from(*to) + u16::from(*from) + carry;
                (*to, carry) = (sum as u8, sum >> 8);
            }
        }
    }
    if layout.predictor == 2 && size == 0 {
        bail!("has samples of {bits} bits with a predictor, which are not read");
    }
    Ok(())
}

/// `count` samples of fewer than eight bits, a byte each.
fn widen(row: &[u8], bits: u8, count: usize) -> Vec<u8> {
    let (each, mask) = (8 / bits, (1u8 << bits) - 1);
    let values = row.iter().flat_map(|byte| (0..each).map(move |i| (byte >> (8 - bits * (i + 1))) & mask));
    values.take(count).collect()
}

/// Width, height and samples of a pixel.
type Picture = (usize, usize, usize, Vec<u8>);

fn jpeg(layout: &Layout, packed: &[u8]) -> Result<Picture> {
    // The tables that chunks share stand before them; one's end and the other's start go.
    let tables = layout.jpeg_tables.as_deref().and_then(|tables| tables.strip_suffix(&[0xff, 0xd9]));
    let joined = match (tables, packed.strip_prefix(&[0xff, 0xd8])) {
        (Some(tables), Some(rest)) => [tables, rest].concat(),
        _ => packed.to_vec(),
    };
    if !is_whole(&joined) {
        bail!("is truncated");
    }
    let wrong = |error: &dyn std::fmt::Display| anyhow!("is damaged: JPEG, {error}");
    let mut headers = JpegDecoder::new(ZCursor::new(&joined));
    headers.decode_headers().map_err(|error| wrong(&error))?;
    // Only YCbCr is converted; otherwise a decoder's guess must not change the bands.
    let space = match headers.input_colorspace() {
        Some(ColorSpace::YCbCr) if layout.photometric == YCBCR => ColorSpace::RGB,
        Some(space) => space,
        None => bail!("is damaged: a JPEG of unknown colours"),
    };
    let options = DecoderOptions::default().jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&joined), options);
    let bytes = decoder.decode().map_err(|error| wrong(&error))?;
    let info = decoder.info().ok_or_else(|| anyhow!("is damaged: a JPEG without a size"))?;
    Ok((usize::from(info.width), usize::from(info.height), space.num_components(), bytes))
}

fn webp(samples: usize, packed: &[u8]) -> Result<Picture> {
    let decoded = ::image::load_from_memory_with_format(packed, ImageFormat::WebP);
    let decoded = decoded.map_err(|error| anyhow!("is damaged: WebP, {error}"))?;
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let bytes = if samples == 4 { decoded.into_rgba8().into_raw() } else { decoded.into_rgb8().into_raw() };
    Ok((width, height, if samples == 4 { 4 } else { 3 }, bytes))
}

/// A picture cut, or filled up with zeros, to a chunk's size.
fn fit((width, height, found, bytes): Picture, to_width: usize, to_height: usize, samples: usize) -> Vec<u8> {
    if (width, found) == (to_width, samples) && height >= to_height {
        let mut bytes = bytes;
        bytes.truncate(to_width * to_height * samples);
        return bytes;
    }
    let mut fitted = vec![0; to_width * to_height * samples];
    for (to, from) in fitted.chunks_exact_mut(to_width * samples).zip(bytes.chunks_exact(width.max(1) * found.max(1))) {
        for (to, from) in to.chunks_exact_mut(samples).zip(from.chunks_exact(found.max(1))) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    fitted
}

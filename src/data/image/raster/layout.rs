//! What a TIFF directory says of its pixels: size, samples, chunks, and how they are packed.

use super::directory::{Directory, tag};
use anyhow::{Result, bail};

/// Compressions by their numbers in TIFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
    Zstd,
    Webp,
}

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// Whole and not negative, of this many bits.
    Unsigned(u8),
    /// Whole, of this many bits.
    Signed(u8),
    /// Floating point, of this many bits.
    Float(u8),
}

impl SampleKind {
    pub fn bits(self) -> u8 {
        match self {
            Self::Unsigned(bits) | Self::Signed(bits) | Self::Float(bits) => bits,
        }
    }

    /// As `uint16`, `float32`.
    pub fn name(self) -> String {
        let kind = match self {
            Self::Unsigned(_) => "uint",
            Self::Signed(_) => "int",
            Self::Float(_) => "float",
        };
        format!("{kind}{}", self.bits())
    }
}

#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Samples of a pixel, those beyond colours with them.
    pub(super) samples: usize,
    pub(super) kind: SampleKind,
    pub(super) photometric: u16,
    pub(super) compression: Compression,
    pub(super) predictor: u16,
    /// Whether each sample has chunks of its own.
    pub(super) planar: bool,
    pub(super) tiled: bool,
    pub(super) chunk_width: u32,
    pub(super) chunk_height: u32,
    /// Where each chunk begins, and its bytes; both 0 where it is left out.
    pub(super) chunks: Vec<(u64, u64)>,
    pub(super) big_endian: bool,
    pub(super) reversed_bits: bool,
    pub(super) jpeg_tables: Option<Vec<u8>>,
    pub(super) subsampling: (u32, u32),
}

pub(super) const WHITE_IS_ZERO: u16 = 0;
pub(super) const RGB: u16 = 2;
pub(super) const PALETTE: u16 = 3;
pub(super) const CMYK: u16 = 5;
pub(super) const YCBCR: u16 = 6;

impl Layout {
    pub(super) fn of(directory: &Directory) -> Result<Self> {
        let required = |tag: u16, name: &str| -> Result<u64> {
            match directory.number(tag)? {
                Some(value) if value > 0 => Ok(value),
                _ => bail!("is damaged: its {name} is missing or 0"),
            }
        };
        let or = |tag: u16, default: u64| Ok::<_, anyhow::Error>(directory.number(tag)?.unwrap_or(default));
        let (width, height) = (required(tag::WIDTH, "width")?, required(tag::HEIGHT, "height")?);
        let (Ok(width), Ok(height)) = (u32::try_from(width), u32::try_from(height)) else {
            bail!("is damaged: {width}x{height} pixels");
        };
        let samples = or(tag::SAMPLES, 1)?;
        if samples == 0 || samples > 65_535 {
            bail!("is damaged: {samples} samples a pixel");
        }
        let tiled = directory.number(tag::TILE_WIDTH)?.is_some();
        let (chunk_width, chunk_height, offsets, lengths) = if tiled {
            let size = (required(tag::TILE_WIDTH, "tile width")?, required(tag::TILE_HEIGHT, "tile height")?);
            (size.0, size.1, tag::TILE_OFFSETS, tag::TILE_BYTES)
        } else {
            let rows = or(tag::ROWS_PER_STRIP, u64::from(height))?.min(u64::from(height));
            (u64::from(width), rows, tag::STRIP_OFFSETS, tag::STRIP_BYTES)
        };
        if chunk_height == 0 || chunk_width > 1 << 31 || chunk_height > 1 << 31 {
            bail!("is damaged: chunks of {chunk_width}x{chunk_height} pixels");
        }
        let planar = or(tag::PLANAR, 1)? == 2 && samples > 1;
        let subsampling = match directory.numbers(tag::SUBSAMPLING)?.as_slice() {
            [across, down] if [1, 2, 4].contains(across) && [1, 2, 4].contains(down) => (*across as u32, *down as u32),
            [] => (2, 2),
            found => bail!("is damaged: its chroma subsampling is {found:?}"),
        };
        let mut layout = Self {
            width,
            height,
            samples: samples as usize,
            kind: kind(directory, samples)?,
            photometric: or(tag::PHOTOMETRIC, 1)? as u16,
            compression: compression(or(tag::COMPRESSION, 1)?)?,
            predictor: or(tag::PREDICTOR, 1)? as u16,
            planar,
            tiled,
            chunk_width: chunk_width as u32,
            chunk_height: chunk_height as u32,
            chunks: Vec::new(),
            big_endian: directory.big_endian(),
            reversed_bits: or(tag::FILL_ORDER, 1)? == 2,
            jpeg_tables: directory.bytes(tag::JPEG_TABLES)?,
            subsampling,
        };
        let planes = if planar { samples } else { 1 };
        let expected = u64::from(layout.across()) * u64::from(layout.down()) * planes;
        let (offsets, mut lengths) = (directory.numbers(offsets)?, directory.numbers(lengths)?);
        if lengths.is_empty() && layout.compression == Compression::None {
            lengths = vec![layout.chunk_bytes(); offsets.len()]; // some writers leave the lengths out
        }
        if (offsets.len() as u64) < expected || (lengths.len() as u64) < expected {
            bail!("is damaged: {} of its {expected} chunks are listed", offsets.len().min(lengths.len()));
        }
        layout.chunks = offsets.into_iter().zip(lengths).collect();
        Ok(layout)
    }

    pub(super) fn across(&self) -> u32 {
        self.width.div_ceil(self.chunk_width)
    }

    pub(super) fn down(&self) -> u32 {
        self.height.div_ceil(self.chunk_height)
    }

    /// Samples that lie side by side in a chunk.
    pub(super) fn interleaved(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Bytes of a row of a chunk, unpacked from its compression.
    pub(super) fn row_bytes(&self) -> u64 {
        (u64::from(self.chunk_width) * self.interleaved() as u64 * u64::from(self.kind.bits())).div_ceil(8)
    }

    fn chunk_bytes(&self) -> u64 {
        self.row_bytes().saturating_mul(u64::from(self.chunk_height))
    }

    /// Rows of a chunk: the last strip holds only those that are left, every tile is whole.
    pub(super) fn rows(&self, chunk_row: u32) -> u32 {
        match self.tiled {
            true => self.chunk_height,
            false => self.chunk_height.min(self.height - chunk_row * self.chunk_height),
        }
    }

    /// Whether colours are stored as luminance and colour differences, not counting JPEG's own.
    pub(super) fn is_subsampled(&self) -> bool {
        self.photometric == YCBCR && self.compression != Compression::Jpeg && self.samples == 3 && !self.planar
    }
}

fn kind(directory: &Directory, samples: u64) -> Result<SampleKind> {
    let bits = directory.numbers(tag::BITS)?;
    let first = bits.first().copied().unwrap_or(1);
    if bits.iter().take(samples as usize).any(|other| *other != first) {
        bail!(
            "has bands of different numbers of bits, which are not read; make them equal, as with gdal_translate -ot"
        );
    }
    let formats = directory.numbers(tag::SAMPLE_FORMAT)?;
    let format = formats.first().copied().unwrap_or(1);
    match (format, first) {
        (1 | 4, 1 | 2 | 4 | 8 | 16 | 32) => Ok(SampleKind::Unsigned(first as u8)),
        (2, 8 | 16 | 32) => Ok(SampleKind::Signed(first as u8)),
        (3, 16 | 32 | 64) => Ok(SampleKind::Float(first as u8)),
        (5 | 6, _) => bail!("has complex samples, which are not read; take their magnitude first"),
        _ => bail!("has samples of {first} bits, which are not read; convert it, as with gdal_translate -ot Float32"),
    }
}

fn compression(number: u64) -> Result<Compression> {
    Ok(match number {
        1 => Compression::None,
        5 => Compression::Lzw,
        7 => Compression::Jpeg,
        8 | 32946 => Compression::Deflate,
        32773 => Compression::PackBits,
        50000 => Compression::Zstd,
        50001 => Compression::Webp,
        other => {
            let name = match other {
                2..=4 => "fax",
                6 => "old JPEG",
                34887 => "LERC",
                34712 | 33003 | 33005 => "JPEG 2000",
                34925 => "LZMA",
                50002 => "JPEG XL",
                _ => "unknown",
            };
            bail!(
                "is compressed by a method that is not read ({name}, {other}); convert it, as with gdal_translate -co \
                COMPRESS=DEFLATE"
            )
        }
    })
}

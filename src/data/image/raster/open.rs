//! Opening a picture: what its header says.

use super::cache::Chunks;
use super::chunk::Chunk;
use super::directory::{Directory, directories, is_tiff, tag};
use super::layout::{CMYK, Compression, Layout, PALETTE, RGB, SampleKind};
use super::source::Source;
use super::{Limits, Raster};
use crate::data::image::decode;
use ::image::DynamicImage;
use anyhow::{Result, anyhow, bail};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The values of a GeoTIFF's tags as they stand in the file; empty where they are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Georeference {
    /// ModelPixelScale: 3 numbers.
    pub pixel_scale: Vec<f64>,
    /// ModelTiepoint: 6 numbers for each point (column, row, 0, x, y, z).
    pub tie_points: Vec<f64>,
    /// ModelTransformation: 16 numbers, row by row.
    pub transformation: Vec<f64>,
    /// GeoKeyDirectory.
    pub keys: Vec<u16>,
    /// GeoDoubleParams.
    pub doubles: Vec<f64>,
    /// GeoAsciiParams.
    pub ascii: String,
    /// GDAL_NODATA.
    pub gdal_nodata: Option<String>,
    /// GDAL_METADATA: XML.
    pub gdal_metadata: Option<String>,
}

impl Georeference {
    fn of(directory: &Directory) -> Result<Self> {
        Ok(Self {
            pixel_scale: directory.floats(tag::PIXEL_SCALE)?,
            tie_points: directory.floats(tag::TIE_POINTS)?,
            transformation: directory.floats(tag::TRANSFORMATION)?,
            keys: directory.numbers(tag::GEO_KEYS)?.into_iter().map(|key| key as u16).collect(),
            doubles: directory.floats(tag::GEO_DOUBLES)?,
            ascii: directory.text(tag::GEO_ASCII)?.unwrap_or_default(),
            gdal_nodata: directory.text(tag::GDAL_NODATA)?,
            gdal_metadata: directory.text(tag::GDAL_METADATA)?,
        })
    }
}

impl Raster {
    /// Opens a file. Of a TIFF only the header is read, of other formats all.
    ///
    /// # Errors
    /// Files that are absent, of no known format, damaged, or larger than `limits` allow; the sentence names the file.
    pub fn open(path: &Path, limits: Limits) -> Result<Self> {
        let shown = path.display();
        let unread = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound => anyhow!("the image '{shown}' does not exist"),
            _ => anyhow!("cannot read the image '{shown}': {error}"),
        };
        let metadata = std::fs::metadata(path).map_err(unread)?;
        if !metadata.is_file() {
            bail!("the image '{shown}' is not a regular file");
        }
        let source = Source::File(File::open(path).map_err(unread)?, metadata.len());
        Self::of_source(source, limits).map_err(|error| anyhow!("the image '{shown}' {error:#}"))
    }

    /// Opens the content of a file. The error is what follows "the image": "is empty", "is truncated", ...
    pub fn of_bytes(bytes: Vec<u8>, limits: Limits) -> Result<Self> {
        Self::of_source(Source::Memory(bytes), limits)
    }

    fn of_source(source: Source, limits: Limits) -> Result<Self> {
        let start = source.read(0, 16.min(source.len()))?;
        if is_tiff(&start) {
            return tiff(Arc::new(source), limits);
        }
        if source.len() > limits.bytes {
            bail!("is too large (at most {} MiB)", limits.bytes >> 20);
        }
        let bytes = match source {
            Source::Memory(bytes) => bytes,
            file => file.read(0, file.len())?,
        };
        // A fault in a decoder must not end a run over thousands of images.
        let decoded = std::panic::catch_unwind(|| decode::decode_whole(&bytes));
        Self::of_picture(decoded.unwrap_or_else(|_| bail!("is damaged (decoder error)"))?)
    }
}

fn tiff(source: Arc<Source>, limits: Limits) -> Result<Raster> {
    let directories = directories(&source)?;
    // The first directory is the picture; those marked as smaller are overviews.
    let Some(first) = directories.first() else { bail!("is damaged: it has no image") };
    let layout = Layout::of(first)?;
    let mut mask = None;
    for other in directories.iter().skip(1) {
        if other.number(tag::SUBFILE)? == Some(4) {
            let shape = Layout::of(other)?;
            if (shape.width, shape.height, shape.samples) == (layout.width, layout.height, 1) {
                mask = Some(Chunks::new(shape, source.clone(), limits.cache / 8, limits.bytes));
            }
        }
    }
    let palette = match layout.photometric {
        PALETTE if layout.samples == 1 => Some(palette(first, layout.kind)?),
        _ => None,
    };
    let georeference = Georeference::of(first)?;
    let extra = first.numbers(tag::EXTRA_SAMPLES)?;
    let colours = layout.samples.saturating_sub(extra.len());
    let nodata = georeference.gdal_nodata.as_deref().and_then(|text| text.trim().parse().ok());
    let bands = match (&palette, layout.photometric, layout.kind) {
        (Some(_), ..) => 3,
        (None, CMYK, SampleKind::Unsigned(8)) if layout.samples == 4 && !layout.planar => 3,
        _ => layout.samples,
    };
    Ok(Raster {
        width: layout.width,
        height: layout.height,
        bands,
        kind: if palette.is_some() { SampleKind::Unsigned(8) } else { layout.kind },
        nodata,
        alpha: extra.iter().position(|kind| matches!(kind, 1 | 2)).map(|index| colours + index),
        photometric: layout.photometric,
        palette,
        georeference,
        mask,
        chunks: Chunks::new(layout, source.clone(), limits.cache, limits.bytes),
        limits,
    })
}

/// Red, green and blue of each index.
fn palette(directory: &Directory, kind: SampleKind) -> Result<Vec<[u8; 3]>> {
    let map = directory.numbers(tag::COLOUR_MAP)?;
    let count = match kind {
        SampleKind::Unsigned(bits) if bits <= 16 => 1usize << bits,
        _ => bail!("is damaged: a palette for samples of {} bits", kind.bits()),
    };
    if map.len() != 3 * count {
        bail!("is damaged: its palette is missing or does not have {count} colours");
    }
    // Some writers store 8-bit values in these 16-bit fields.
    let small = map.iter().all(|value| *value < 256);
    let byte = |index: usize| map.get(index).map_or(0, |value| if small { *value as u8 } else { (*value >> 8) as u8 });
    Ok((0..count).map(|index| [byte(index), byte(count + index), byte(2 * count + index)]).collect())
}

impl Raster {
    /// A decoded picture of another format, as one chunk.
    pub(in super::super) fn of_picture(picture: DynamicImage) -> Result<Self> {
        let (width, height) = (picture.width(), picture.height());
        let colour = picture.color();
        let samples = usize::from(colour.channel_count());
        let wide = usize::from(colour.bytes_per_pixel()) / samples;
        let bytes = match picture {
            DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_)
            | DynamicImage::ImageRgb16(_)
            | DynamicImage::ImageRgba16(_)
                if cfg!(target_endian = "big") =>
            {
                picture.into_bytes().as_chunks::<2>().0.iter().flat_map(|[high, low]| [*low, *high]).collect()
            }
            _ => picture.into_bytes(),
        };
        let kind = match wide {
            1 => SampleKind::Unsigned(8),
            2 => SampleKind::Unsigned(16),
            _ => bail!("has samples of {} bits, which are not read", 8 * wide),
        };
        let photometric = if samples >= 3 { RGB } else { 1 };
        let layout = Layout {
            width,
            height,
            samples,
            kind,
            photometric,
            compression: Compression::None,
            predictor: 1,
            planar: false,
            tiled: true,
            chunk_width: width,
            chunk_height: height,
            chunks: Vec::new(),
            big_endian: false,
            reversed_bits: false,
            jpeg_tables: None,
            subsampling: (1, 1),
        };
        let chunk = Chunk { bytes, row: width as usize * samples * wide, samples };
        Ok(Raster {
            width,
            height,
            bands: samples,
            kind,
            nodata: None,
            alpha: colour.has_alpha().then(|| samples - 1),
            photometric,
            georeference: Georeference::default(),
            palette: None,
            chunks: Chunks::whole(layout, chunk),
            mask: None,
            limits: Limits::default(),
        })
    }
}

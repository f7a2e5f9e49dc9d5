//! Image file directories of TIFF and BigTIFF: which tags there are, and their values.

use super::source::Source;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Tags of more values than this are taken for damage: a scene of 10^6 x 10^6 pixels has 1.6 * 10^7 tiles of 256.
const MAX_VALUES: u64 = 1 << 26;
/// Directories that are followed: overviews and masks.
const MAX_DIRECTORIES: usize = 64;

/// The numbers of the tags that are read (TIFF 6.0, its supplements, GeoTIFF 1.1, GDAL).
pub(super) mod tag {
    pub(in super::super) const SUBFILE: u16 = 254;
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const HEIGHT: u16 = 257;
    pub(in super::super) const BITS: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const FILL_ORDER: u16 = 266;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const SAMPLES: u16 = 277;
    pub(in super::super) const ROWS_PER_STRIP: u16 = 278;
    pub(in super::super) const STRIP_BYTES: u16 = 279;
    pub(in super::super) const PLANAR: u16 = 284;
    pub(in super::super) const PREDICTOR: u16 = 317;
    pub(in super::super) const COLOUR_MAP: u16 = 320;
    pub(in super::super) const TILE_WIDTH: u16 = 322;
    pub(in super::super) const TILE_HEIGHT: u16 = 323;
    pub(in super::super) const TILE_OFFSETS: u16 = 324;
    pub(in super::super) const TILE_BYTES: u16 = 325;
    pub(in super::super) const EXTRA_SAMPLES: u16 = 338;
    pub(in super::super) const SAMPLE_FORMAT: u16 = 339;
    pub(in super::super) const JPEG_TABLES: u16 = 347;
    pub(in super::super) const SUBSAMPLING: u16 = 530;
    pub(in super::super) const PIXEL_SCALE: u16 = 33550;
    pub(in super::super) const TIE_POINTS: u16 = 33922;
    pub(in super::super) const TRANSFORMATION: u16 = 34264;
    pub(in super::super) const GEO_KEYS: u16 = 34735;
    pub(in super::super) const GEO_DOUBLES: u16 = 34736;
    pub(in super::super) const GEO_ASCII: u16 = 34737;
    pub(in super::super) const GDAL_METADATA: u16 = 42112;
    pub(in super::super) const GDAL_NODATA: u16 = 42113;
}

/// Where a tag's values lie, and what they are.
#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u16,
    count: u64,
    at: u64,
}

/// One directory.
#[derive(Debug)]
pub(super) struct Directory<'a> {
    source: &'a Source,
    big_endian: bool,
    entries: BTreeMap<u16, Entry>,
}

/// Whether these are a TIFF's first bytes.
pub(in super::super) fn is_tiff(bytes: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic))
}

/// The directories of a file, in its order.
pub(super) fn directories(source: &Source) -> Result<Vec<Directory<'_>>> {
    let start = source.read(0, 16.min(source.len()))?;
    let big_endian = start.starts_with(b"MM");
    let number = |bytes: &[u8]| whole(bytes, big_endian);
    let part = |from: usize, to: usize| start.get(from..to).map(number);
    let (big, first) = match part(2, 4) {
        Some(42) => (false, part(4, 8)),
        Some(43) => (true, part(8, 16)),
        _ => bail!("is not a TIFF image"),
    };
    let (count_bytes, entry_bytes, offset_bytes) = if big { (8, 20, 8) } else { (2, 12, 4) };
    let (mut found, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    let mut at = first.unwrap_or(0);
    while at != 0 && found.len() < MAX_DIRECTORIES && seen.insert(at) {
        let count = number(&source.read(at, count_bytes)?);
        if count > 4096 {
            bail!("is damaged: a directory of {count} tags");
        }
        let bytes = source.read(at + count_bytes, count * entry_bytes + offset_bytes)?;
        let mut entries = BTreeMap::new();
        for (index, entry) in bytes.chunks_exact(entry_bytes as usize).take(count as usize).enumerate() {
            let (Some(tag), Some(kind)) = (entry.get(..2), entry.get(2..4)) else { continue };
            let (values, inline) = if big { (4..12, 12) } else { (4..8, 8) };
            let (Some(length), Some(value)) = (entry.get(values), entry.get(inline..)) else { continue };
            let (kind, count) = (number(kind) as u16, number(length));
            let Some(size) = size(kind) else { continue };
            let within = at + count_bytes + index as u64 * entry_bytes + inline as u64;
            let fits = count.saturating_mul(size) <= value.len() as u64;
            let at = if fits { within } else { number(value) };
            entries.insert(number(tag) as u16, Entry { kind, count, at });
        }
        found.push(Directory { source, big_endian, entries });
        let next = bytes.get((count * entry_bytes) as usize..).unwrap_or_default();
        at = number(next);
    }
    if found.is_empty() {
        bail!("is damaged: it has no image");
    }
    Ok(found)
}

/// Bytes of a value of that type.
fn size(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

/// A whole number of up to eight bytes.
fn whole(bytes: &[u8], big_endian: bool) -> u64 {
    let join = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
    if big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
}

impl Directory<'_> {
    pub(super) fn big_endian(&self) -> bool {
        self.big_endian
    }

    /// The bytes of a tag's values, and the length of each.
    fn values(&self, tag: u16) -> Result<Option<(u16, Vec<u8>)>> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        let size = size(entry.kind).unwrap_or(1);
        if entry.count > MAX_VALUES {
            bail!("is damaged: its tag {tag} has {} values", entry.count);
        }
        Ok(Some((entry.kind, self.source.read(entry.at, entry.count * size)?)))
    }

    /// Whole numbers; empty where the tag is absent.
    pub(super) fn numbers(&self, tag: u16) -> Result<Vec<u64>> {
        let Some((kind, bytes)) = self.values(tag)? else { return Ok(Vec::new()) };
        let size = size(kind).unwrap_or(1) as usize;
        Ok(bytes.chunks_exact(size).map(|value| whole(value, self.big_endian)).collect())
    }

    pub(super) fn number(&self, tag: u16) -> Result<Option<u64>> {
        Ok(self.numbers(tag)?.first().copied())
    }

    /// Floating-point numbers; empty where the tag is absent.
    pub(super) fn floats(&self, tag: u16) -> Result<Vec<f64>> {
        let Some((kind, bytes)) = self.values(tag)? else { return Ok(Vec::new()) };
        let size = size(kind).unwrap_or(1) as usize;
        let float = |value: &[u8]| match (kind, whole(value, self.big_endian)) {
            (11, bits) => f64::from(f32::from_bits(bits as u32)),
            (12, bits) => f64::from_bits(bits),
            (_, number) => number as f64,
        };
        Ok(bytes.chunks_exact(size).map(float).collect())
    }

    /// Text, without what follows its first NUL.
    pub(super) fn text(&self, tag: u16) -> Result<Option<String>> {
        let text = self.values(tag)?.map(|(_, bytes)| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
        });
        Ok(text)
    }

    pub(super) fn bytes(&self, tag: u16) -> Result<Option<Vec<u8>>> {
        Ok(self.values(tag)?.map(|(_, bytes)| bytes))
    }
}

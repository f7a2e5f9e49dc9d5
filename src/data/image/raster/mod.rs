//! Pictures of any origin, read window by window: GeoTIFF of any size, and whole PNG, JPEG, WebP and BMP files.
//!
//! Georeference is handed on as it stands in the file. Values are not changed; [`Stretch`] and [`to_rgb8`] make 8-bit
//! colours of them.

mod cache;
mod chunk;
mod directory;
mod layout;
mod open;
mod source;
mod stretch;
mod window;

pub(super) use directory::is_tiff;
pub use layout::SampleKind;
pub use open::Georeference;
pub use stretch::{Scale, Stretch, to_rgb8};
pub use window::Window;

use cache::Chunks;

/// What reading may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most memory for one window, one chunk, or one picture that is not a TIFF, bytes.
    pub bytes: u64,
    /// Unpacked chunks that are kept for the next windows, bytes.
    pub cache: u64,
}

impl Default for Limits {
    /// Half of the memory that is free now, 1 GiB where that is not known.
    fn default() -> Self {
        Self { bytes: free_memory().map_or(1 << 30, |free| free / 2), cache: 256 << 20 }
    }
}

/// Bytes that programs may still take, as Linux tells it.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// An opened picture. Several threads may read windows of one.
#[derive(Debug)]
pub struct Raster {
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Bands, transparency with them. A palette's colours, YCbCr and CMYK are three: red, green and blue.
    pub bands: usize,
    pub kind: SampleKind,
    /// The value that means "nothing was seen here".
    pub nodata: Option<f64>,
    /// Which band is transparency, counted from 0.
    pub alpha: Option<usize>,
    /// TIFF's number: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr.
    pub photometric: u16,
    pub georeference: Georeference,
    palette: Option<Vec<[u8; 3]>>,
    chunks: Chunks,
    /// A second image of one bit a pixel, which says where there is something.
    mask: Option<Chunks>,
    limits: Limits,
}

impl Raster {
    /// Whether the bands are red, green and blue, perhaps with transparency.
    pub fn is_colour(&self) -> bool {
        matches!(self.photometric, layout::RGB | layout::PALETTE | layout::CMYK | layout::YCBCR) && self.bands >= 3
    }

    /// The bands that are shown where nothing else is said, counted from 0: the first three but transparency, or the
    /// first alone where there are fewer.
    pub fn colour_bands(&self) -> Vec<usize> {
        let seen: Vec<usize> = (0..self.bands).filter(|band| Some(*band) != self.alpha).take(3).collect();
        if seen.len() == 3 { seen } else { vec![0] }
    }
}

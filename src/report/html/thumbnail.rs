//! Small JPEG pictures as `data:` addresses.

use anyhow::Result;
use base64::Engine;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use std::path::Path;

/// Longest side, pixels: sharp at the size of a gallery card on a screen of double density would need more, and bytes.
const SIDE: u32 = 240;
const QUALITY: u8 = 78;

/// The image as a `data:` address; `None` where it cannot be read.
pub(super) fn data_uri(path: &Path) -> Option<String> {
    match encode(path) {
        Ok(uri) => Some(uri),
        Err(error) => {
            tracing::debug!("no thumbnail of '{}': {error:#}", path.display());
            None
        }
    }
}

fn encode(path: &Path) -> Result<String> {
    let image = image::ImageReader::open(path)?.with_guessed_format()?.decode()?;
    let small = if image.width().max(image.height()) > SIDE { image.thumbnail(SIDE, SIDE) } else { image };
    let rgb = small.to_rgb8();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode(
        rgb.as_raw(),
        rgb.width(),
        rgb.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(jpeg)))
}

//! Image files to 8-bit RGB. The content decides the format, not the extension.

use super::Reading;
use super::jpeg;
use super::raster::{Limits as RasterLimits, Raster, is_tiff};
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use anyhow::{Error, Result, anyhow, bail};
use std::fs;
use std::io::{Cursor, ErrorKind};
use std::path::Path;

/// Largest width and height that is decoded, pixels.
pub const MAX_SIDE: u32 = 32_768;
/// Most memory that one image may take while it is decoded, bytes; a header that asks for more is refused.
pub const MAX_BYTES: u64 = 1 << 30;

/// Decodes a file; every error names it and says what is wrong with it.
pub fn decode_file(path: &Path) -> Result<RgbImage> {
    decode_file_as(path, &Reading::default())
}

/// [`decode_file`] with bands and a stretch of one's own.
pub fn decode_file_as(path: &Path, reading: &Reading) -> Result<RgbImage> {
    let shown = path.display();
    let unread = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => anyhow!("the image '{shown}' does not exist"),
        _ => anyhow!("cannot read the image '{shown}': {error}"),
    };
    match fs::metadata(path).map_err(unread)? {
        metadata if !metadata.is_file() => bail!("the image '{shown}' is not a regular file"),
        metadata if metadata.len() > MAX_BYTES => {
            bail!("the image '{shown}' is too large (at most {} MiB)", MAX_BYTES >> 20)
        }
        _ => {}
    }
    let bytes = fs::read(path).map_err(unread)?;
    decode_as(bytes, reading).map_err(|error| anyhow!("the image '{shown}' {error:#}"))
}

/// Decodes the content of a file. Gray becomes three equal channels, a palette its colours, more than 8 bits what
/// [`Reading::default`] makes of them; transparency of 8-bit pictures is dropped, as Pillow's `convert("RGB")` does.
///
/// The error is what follows "the image": "is empty", "is not a TIFF, PNG, ... image", "is truncated", ...
pub fn decode(bytes: &[u8]) -> Result<RgbImage> {
    decode_as(bytes.to_vec(), &Reading::default())
}

fn decode_as(bytes: Vec<u8>, reading: &Reading) -> Result<RgbImage> {
    // A fault in a decoder must not end a run over thousands of images.
    let decoded = std::panic::catch_unwind(|| decode_unguarded(bytes, reading));
    decoded.unwrap_or_else(|_| bail!("is damaged (decoder error)"))
}

fn decode_unguarded(bytes: Vec<u8>, reading: &Reading) -> Result<RgbImage> {
    if is_tiff(&bytes) {
        let free = RasterLimits::default();
        // Four bytes a sample while it is read.
        let limits = RasterLimits { bytes: free.bytes.min(4 * MAX_BYTES), ..free };
        let shown = Raster::of_bytes(bytes.clone(), limits).and_then(|raster| reading.show(&raster));
        // Fax and the like, which scanners write.
        return shown.or_else(|error| Ok(decode_any(&bytes, ImageFormat::Tiff).map_err(|_| error)?.into_rgb8()));
    }
    let image = decode_whole(&bytes)?;
    if image.width() == 0 || image.height() == 0 {
        bail!("has no pixels");
    }
    match image {
        image if reading.is_default() && image.color().bytes_per_pixel() == image.color().channel_count() => {
            Ok(image.into_rgb8())
        }
        image => reading.show(&Raster::of_picture(image)?),
    }
}

/// Decodes the content of a file that is no TIFF, with the samples that it has.
pub(super) fn decode_whole(bytes: &[u8]) -> Result<DynamicImage> {
    if bytes.is_empty() {
        bail!("is empty");
    }
    let Some(format) = format(bytes) else {
        bail!("is not a TIFF, PNG, JPEG, WebP or BMP image{}", if is_jpeg_2000(bytes) { JPEG_2000_HINT } else { "" });
    };
    if format == ImageFormat::Jpeg && !jpeg::is_whole(bytes) {
        bail!("is truncated");
    }
    decode_any(bytes, format)
}

const JPEG_2000_HINT: &str = " but JPEG 2000, which is not read; convert it, as with gdal_translate -of COG";

/// Whether it begins as JPEG 2000 does, as a box or as a code stream.
fn is_jpeg_2000(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0\0\0\x0cjP  \r\n\x87\n") || bytes.starts_with(b"\xff\x4f\xff\x51")
}

/// The format by the first bytes.
fn format(bytes: &[u8]) -> Option<ImageFormat> {
    const MAGIC: [(&[u8], ImageFormat); 3] =
        [(b"BM", ImageFormat::Bmp), (b"\x89PNG\r\n\x1a\n", ImageFormat::Png), (b"\xff\xd8\xff", ImageFormat::Jpeg)];
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some(ImageFormat::WebP);
    }
    MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, format)| *format)
}

/// Decodes one format within the limits.
fn decode_any(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(fault)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes())?;
    DynamicImage::from_decoder(decoder).map_err(fault)
}

/// Refuses what the limits do not allow.
fn check_size(width: u32, height: u32, bytes: u64) -> Result<()> {
    if width > MAX_SIDE || height > MAX_SIDE || bytes > MAX_BYTES {
        bail!("is too large: {width}x{height} pixels (at most {MAX_SIDE} a side and {} MiB)", MAX_BYTES >> 20);
    }
    Ok(())
}

fn fault(error: ImageError) -> Error {
    match error {
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => anyhow!("is truncated"),
        ImageError::IoError(error) => anyhow!("cannot be read: {error}"),
        ImageError::Limits(_) => {
            anyhow!("is too large (at most {MAX_SIDE} pixels a side and {} MiB)", MAX_BYTES >> 20)
        }
        ImageError::Unsupported(error) => anyhow!("has an unsupported format: {error}"),
        error => anyhow!("is damaged: {}", without_values(&error.to_string())),
    }
}

/// What a decoder says, up to where it prints values of its own: `... while decoding ChunkType { .. }`.
fn without_values(said: &str) -> String {
    let plain = said.split_once('{').map_or(said, |(before, _)| {
        before.rsplit_once(" while ").or(before.trim_end().rsplit_once(' ')).map_or(before, |(plain, _)| plain)
    });
    plain.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(40, 30, |x, y| ::image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn error(bytes: &[u8]) -> String {
        decode(bytes).unwrap_err().to_string()
    }

    #[test]
    fn each_fault_has_its_sentence() {
        assert_eq!(error(b""), "is empty");
        assert_eq!(error(b"two planes on a runway"), "is not a TIFF, PNG, JPEG, WebP or BMP image");
        assert_eq!(error(b"GIF89a"), "is not a TIFF, PNG, JPEG, WebP or BMP image");
        let mut flipped = encoded(ImageFormat::Png);
        let checksum = flipped.len() - 13; // before the 12 bytes of the last chunk
        flipped[checksum] ^= 1;
        assert!(error(&flipped).contains("CRC error") && !error(&flipped).contains('{'), "{}", error(&flipped));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff] {
            let bytes = encoded(format);
            assert!(decode(&bytes).is_ok());
            assert_eq!(error(&bytes[..bytes.len() / 2]), "is truncated", "{format:?}");
        }
        let path = Path::new("/nonexistent/a.png");
        assert!(decode_file(path).unwrap_err().to_string().contains("a.png' does not exist"));
        assert!(decode_file(Path::new("/dev/zero")).unwrap_err().to_string().contains("is not a regular file"));
    }

    #[test]
    fn what_follows_the_end_of_a_jpeg_is_not_looked_at() {
        let whole = encoded(ImageFormat::Jpeg);
        let pixels = decode(&whole).unwrap();
        let video = [b"\0\0\0\x18ftypmp42".repeat(9), vec![0xff, 0xda, 0, 8, 1]].concat(); // a motion photo's
        let padding = vec![0; 64];
        for behind in [&padding, &video, &whole] {
            assert_eq!(decode(&[&whole[..], behind].concat()).unwrap(), pixels);
        }
        // A second picture does not make up for the missing end of the first: Pillow refuses that, too.
        assert_eq!(error(&whole[..whole.len() - 2]), "is truncated");
    }

    #[test]
    fn a_header_that_asks_for_all_memory_is_refused() {
        let mut png = encoded(ImageFormat::Png);
        png[16..20].copy_from_slice(&30_000u32.to_be_bytes());
        png[20..24].copy_from_slice(&30_000u32.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(error(&png).contains("too large"), "{}", error(&png));
        png[16..20].copy_from_slice(&2_000_000_000u32.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(error(&png).contains("too large"), "{}", error(&png));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn damaged_files_give_errors_and_never_panics() {
        let mut rng = crate::util::rng::Rng::new(&[17]);
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff] {
            let whole = encoded(format);
            for _ in 0..400 {
                let mut bytes = whole.clone();
                for _ in 0..1 + rng.below(8) {
                    let at = if rng.chance(0.7) { rng.below(64.min(bytes.len())) } else { rng.below(bytes.len()) };
                    bytes[at] = rng.next_u64() as u8;
                }
                bytes.truncate(if rng.chance(0.3) { rng.below(bytes.len()) } else { bytes.len() });
                let _ = decode_unguarded(bytes, &Reading::default());
            }
        }
    }
}

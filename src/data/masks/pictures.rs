//! The mask pictures of a list of images, as files.

use super::{Finder, Labels, MaskMode, MaskRules, MissingMasks, draw, read, segment};
use crate::data::image::decode;
use crate::util::fs::{read_file, sha256, writable, write_atomic};
use ::image::{ImageFormat, RgbImage};
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use serde::Serialize;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Grows by one whenever equal images and rules give another picture.
const VERSION: u32 = 1;

/// A mask picture for each image of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    pub paths: Vec<PathBuf>,
    /// Images that have no mask and were segmented.
    pub segmented: usize,
}

/// What a picture is made from: its name in the cache.
#[derive(Serialize)]
struct Key<'a> {
    version: u32,
    rules: &'a MaskRules,
    image: String,
    mask: Option<String>,
}

/// Finds or draws the mask picture of every image, on all cores. What is drawn is kept in the folder `cache`, found
/// again by the content of image and mask.
///
/// An image that cannot be read stands in the list for its own mask: whoever reads the images says so.
///
/// Errors: a mask file that cannot be read.
pub fn prepare(images: &[PathBuf], finder: &Finder, rules: &MaskRules, cache: &Path) -> Result<Pictures> {
    let found: Vec<Option<PathBuf>> = images.par_iter().map(|image| finder.find(image)).collect();
    let segmented = found.iter().filter(|mask| mask.is_none()).count();
    let picture = |(image, mask): (&PathBuf, &Option<PathBuf>)| match mask {
        Some(mask) if rules.mode == MaskMode::Picture => Ok(mask.clone()),
        _ => drawn(image, mask.as_deref(), rules, cache),
    };
    let paths = images.par_iter().zip(&found).map(picture).collect::<Result<_>>()?;
    Ok(Pictures { paths, segmented })
}

/// Refuses images without a mask, as a dataset does whose rules say `fail`.
pub fn require(images: &[PathBuf], finder: &Finder) -> Result<()> {
    let bare: Vec<&PathBuf> = images.par_iter().filter(|image| finder.find(image).is_none()).collect();
    match bare.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} of {} images have no mask, e.g. '{}'; generate masks with `rsic data masks`, or set masks.missing to \
             segment",
            bare.len(),
            images.len(),
            first.display()
        ),
    }
}

/// The picture of one image, from the cache or new.
fn drawn(image: &Path, mask: Option<&Path>, rules: &MaskRules, cache: &Path) -> Result<PathBuf> {
    let Ok(bytes) = read_file(image) else { return Ok(image.to_owned()) };
    let of_mask = match mask {
        Some(mask) => {
            let bytes = std::fs::read(mask);
            Some(sha256(&bytes.with_context(|| format!("cannot read the mask file '{}'", mask.display()))?))
        }
        None => None,
    };
    // Where the masks lie changes no picture, nor do settings of a segmenter that is not used.
    let mut settled = MaskRules { folder: PathBuf::new(), missing: MissingMasks::Segment, ..rules.clone() };
    if mask.is_some() {
        settled.segmenter = super::SegmenterRules::default();
    }
    let key = Key { version: VERSION, rules: &settled, image: sha256(&bytes), mask: of_mask };
    let name = sha256(&serde_json::to_vec(&key)?);
    let file = Path::new("masks").join(&name[..2]).join(format!("{name}.png"));
    let known = cache.join(&file);
    if known.is_file() {
        return Ok(known);
    }
    let path = writable(cache, &file)?;
    if path.is_file() {
        return Ok(path);
    }
    let Ok(pixels) = decode(&bytes) else { return Ok(image.to_owned()) };
    let labels = match mask {
        Some(mask) => read(mask)?,
        None => segment(&pixels, &rules.segmenter)?,
    };
    write_png(&path, &draw(&pixels, &labels, rules.mode, rules.opacity))?;
    Ok(path)
}

/// Writes a picture of the flat colours of labels.
pub(crate) fn write_solid(path: &Path, labels: &Labels) -> Result<()> {
    let black = RgbImage::new(labels.width, labels.height);
    write_png(path, &draw(&black, labels, MaskMode::Solid, 1.0))
}

/// Writes a picture of labels over their image.
pub(crate) fn write_drawn(path: &Path, image: &RgbImage, labels: &Labels, mode: MaskMode) -> Result<()> {
    match mode {
        MaskMode::Solid => write_solid(path, labels),
        _ => write_png(path, &draw(image, labels, mode, MaskRules::default().opacity)),
    }
}

fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder '{}'", folder.display()))?;
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    write_atomic(path, bytes.get_ref())
}

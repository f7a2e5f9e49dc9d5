//! Segment Anything for the commands that make masks.

use crate::data::image::decode_file;
use crate::data::masks::{Finder, Found, Labels, Record, write_solid};
use crate::models::sam::{GeneratorRules, Sam, generate};
use crate::runtime::Interrupt;
use crate::util::fs::{cache_dir, sha256, sha256_file, writable};
use crate::util::logging;
use crate::weights::{self, Published};
use ::image::RgbImage;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use tch::Device;

/// The weight file that is meant: a path, or a name of the manifest whose file lies in `weights/`.
pub(super) fn find_weights(asked: &Path) -> Result<PathBuf> {
    if asked.exists() {
        return Ok(asked.to_owned());
    }
    let manifest = weights::manifest()?;
    let named = asked.file_name().and_then(|name| weights::find(&manifest, name.to_str()?).ok());
    let in_folder = named.map(|published| Path::new("weights").join(published.file_name()));
    match in_folder {
        Some(path) if asked.components().count() == 1 && path.exists() => Ok(path),
        _ => {
            let name = |published: &Published| published.name.clone();
            let fetch = named.map_or_else(|| "sam_vit_b (sam_vit_l, sam_vit_h, mobile_sam)".into(), name);
            bail!(
                "weight file '{}' does not exist; run `rsic weights fetch {fetch}`, or omit --sam to use colour \
                segmentation",
                asked.display()
            )
        }
    }
}

/// Reads the model; says which it is.
pub(super) fn load(path: &Path, device: Device, bf16: bool) -> Result<Sam> {
    let sam = Sam::load(path, device, bf16)?;
    tracing::debug!("'{}' is Segment Anything with {}", path.display(), sam.config.name());
    Ok(sam)
}

/// What was found as labels of an image's pixels.
pub(super) fn labels(image: &RgbImage, found: &[Found]) -> Result<Labels> {
    let records: Vec<Record> = found.iter().map(|found| Record { mask: found.rle.clone() }).collect();
    let (width, height) = image.dimensions();
    Ok(Labels::from_records(&records)?.resized(width, height))
}

/// The masks of images that have none, made by Segment Anything and kept in the cache: a finder that finds them too.
///
/// An image that cannot be read gets none; whoever reads the images says so.
pub(super) fn make_missing(
    finder: Finder,
    images: &[PathBuf],
    weights: &Path,
    device: Device,
    interrupt: &Interrupt,
) -> Result<Finder> {
    let missing: Vec<&PathBuf> = images.iter().filter(|image| finder.find(image).is_none()).collect();
    if missing.is_empty() {
        return Ok(finder);
    }
    let path = find_weights(weights)?;
    let rules = GeneratorRules::default();
    let model = sha256_file(&path)?;
    let cache = cache_dir()?;
    let mut finder = finder;
    let mut sam: Option<Sam> = None;
    let (mut new, mut cached) = (0, 0);
    let bar = logging::progress(missing.len(), "masks by Segment Anything");
    for (done, image) in missing.iter().enumerate() {
        interrupt.check("finished masks are kept; rerun the same command to continue")?;
        bar.set(done);
        let Ok(bytes) = std::fs::read(image) else { continue };
        let key = sha256(&serde_json::to_vec(&(&rules, &model, sha256(&bytes)))?);
        let file = Path::new("sam").join(&key[..2]).join(format!("{key}.png"));
        let known = cache.join(&file);
        let place = if known.is_file() { known } else { writable(&cache, &file)? };
        if place.is_file() {
            cached += 1;
        } else {
            let Ok(pixels) = decode_file(image) else { continue };
            let model = match &sam {
                Some(model) => model,
                None => sam.insert(load(&path, device, false)?),
            };
            let found = generate(&mut model.predictor(), &pixels, &rules)
                .with_context(|| format!("cannot segment '{}'", image.display()))?;
            write_solid(&place, &labels(&pixels, &found)?)?;
            new += 1;
        }
        finder.remember(image, place);
    }
    tracing::info!(
        "{} of {} images have no mask: Segment Anything ('{}') made {new} now and {cached} earlier",
        missing.len(),
        images.len(),
        path.display()
    );
    Ok(finder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_are_absent_are_named_with_what_helps() {
        let error = |asked: &str| find_weights(Path::new(asked)).unwrap_err().to_string();
        for asked in ["sam_vit_h", "nowhere/sam_vit_h_4b8939.pth"] {
            assert!(error(asked).contains("`rsic weights fetch sam_vit_h`"), "{}", error(asked));
        }
        let other = error("mine.pth");
        assert!(
            other.contains("'mine.pth'") && other.contains("sam_vit_b (") && other.contains("colour segmentation"),
            "{other}"
        );
    }
}

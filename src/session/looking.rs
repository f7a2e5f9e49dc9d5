//! What a model sees of a list of images: features, or pixels, of the images and of their masks.

use crate::data::Dataset;
use crate::data::image::Reading;
use crate::data::masks::{self, Finder, MissingMasks};
use crate::experiment::Experiment;
use crate::features::view::View;
use crate::features::{FeatureProgress, FeatureSet, Images};
use crate::util::fs::cache_dir;
use anyhow::Result;
use std::path::PathBuf;
use std::slice;
use tch::Device;

/// The images by every encoder, then their mask pictures by every encoder where the model looks at those. `finder`
/// finds masks; none: beside the images.
pub fn look(
    experiment: &Experiment,
    images: &[PathBuf],
    finder: Option<&Finder>,
    device: Device,
    progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
) -> Result<FeatureSet> {
    let reading = experiment.data.reading();
    let mut set = features(experiment, None, Images { paths: images, reading: &reading }, device, progress)?;
    if let Some(rules) = experiment.model.masks() {
        let loose = Finder::of_images(&rules.folder);
        let pictures = masks::prepare(images, finder.unwrap_or(&loose), rules, &cache_dir()?)?;
        if pictures.segmented > 0 {
            tracing::warn!(
                "{} of {} images have no mask and were segmented by colour; use Segment Anything for better masks \
                (--sam of `rsic data masks` and `rsic caption`)",
                pictures.segmented,
                images.len()
            );
        }
        let pictures = Images { paths: &pictures.paths, reading: &Reading::default() };
        set.join(features(experiment, None, pictures, device, progress)?);
    }
    Ok(set)
}

/// [`look`] at the images of a dataset, in its order.
pub fn look_at(
    experiment: &Experiment,
    dataset: &Dataset,
    device: Device,
    progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
) -> Result<FeatureSet> {
    let paths: Vec<PathBuf> = dataset.images.iter().map(|image| image.path.clone()).collect();
    let finder = match experiment.model.masks() {
        None => None,
        Some(rules) => {
            let finder = Finder::of_dataset(&rules.folder, &experiment.data.root, &dataset.images_dir);
            if rules.missing == MissingMasks::Fail {
                masks::require(&paths, &finder)?;
            }
            Some(finder)
        }
    };
    look(experiment, &paths, finder.as_ref(), device, progress)
}

/// Features of frozen encoders, pixels for those that are tuned, in the order of the encoders; of an augmented view of
/// each image where one is given.
pub(super) fn features(
    experiment: &Experiment,
    view: Option<&View>,
    images: Images,
    device: Device,
    progress: &mut dyn FnMut(FeatureProgress) -> Result<()>,
) -> Result<FeatureSet> {
    let (cache, kind) = (cache_dir()?, experiment.model.features());
    if experiment.encoders.iter().all(|encoder| encoder.tune.is_none()) {
        return FeatureSet::of_view(&experiment.encoders, kind, view, images, device, &cache, progress);
    }
    let mut set: Option<FeatureSet> = None;
    for encoder in &experiment.encoders {
        let next = match (&encoder.tune, view) {
            (Some(_), Some(view)) => FeatureSet::of_pixel_view(images, encoder, view, device),
            (Some(_), None) => FeatureSet::of_pixels(images, encoder, device, progress)?,
            (None, _) => FeatureSet::of_view(slice::from_ref(encoder), kind, view, images, device, &cache, progress)?,
        };
        match &mut set {
            Some(set) => set.join(next),
            None => set = Some(next),
        }
    }
    match set {
        Some(set) => Ok(set),
        None => FeatureSet::of_view(&[], kind, view, images, device, &cache, progress),
    }
}

//! How well a frozen encoder tells scenes apart: logistic regression on its pooled features.

use super::confusion::Confusion;
use super::data::Scenes;
use super::linear::{LogisticRegression, RegressionConfig};
use crate::data::Split;
use crate::features::{self, FeatureSet};
use crate::models::FeatureKind;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::Device;

/// Weights of the penalty that are tried, the strongest first.
const PENALTIES: [f64; 6] = [1.0, 0.3, 0.1, 0.03, 0.01, 0.001];

/// What a probe found.
#[derive(Debug)]
pub struct Probe {
    /// The penalty that is best on the validation split.
    pub l2: f64,
    pub splits: BTreeMap<Split, Confusion>,
}

/// Fits a regression on the training split for each of a few penalties, chooses one by validation accuracy (the
/// stronger of equal ones), and tells the accuracy on validation and test.
///
/// Features come from the cache folder `cache`, and go there.
pub fn probe(
    scenes: &Scenes,
    encoder: &crate::models::encoders::EncoderConfig,
    device: Device,
    cache: &Path,
    progress: &mut dyn FnMut(features::FeatureProgress) -> Result<()>,
) -> Result<Probe> {
    let paths: Vec<PathBuf> = scenes.images.iter().map(|image| image.path.clone()).collect();
    let encoders = std::slice::from_ref(encoder);
    let set = FeatureSet::load_or_extract(encoders, FeatureKind::Pooled, &paths, device, cache, progress)?;
    if let Some(why) = set.failures().values().next() {
        bail!("{} images have no features; first: {why}", set.failures().len());
    }
    let rows = |split: Split| -> Result<_> {
        let places = scenes.split(split);
        let class = |&place: &usize| scenes.images.get(place).map(|image| image.class as i64);
        let labels: Vec<i64> = places.iter().filter_map(class).collect();
        Ok((set.rows(0, &places)?, labels))
    };
    let (features, labels) = rows(Split::Train)?;
    if scenes.split(Split::Val).is_empty() {
        bail!("the probe selects its penalty on the validation split, which is empty; check data.split");
    }
    let judge = |fit: &LogisticRegression, split: Split| -> Result<Confusion> {
        let mut confusion = Confusion::new(scenes.classes.clone());
        let (features, labels) = rows(split)?;
        for (truth, predicted) in labels.iter().zip(fit.predict(&features)?) {
            confusion.add(usize::try_from(*truth)?, usize::try_from(predicted)?)?;
        }
        Ok(confusion)
    };
    let mut fits: Vec<(f64, f64, LogisticRegression)> = Vec::new();
    for l2 in PENALTIES {
        let config = RegressionConfig { l2, ..RegressionConfig::default() };
        let start = fits.last().map(|(.., fit)| fit);
        let fit = LogisticRegression::fit(&features, &labels, scenes.classes.len() as i64, &config, start)?;
        let accuracy = judge(&fit, Split::Val)?.accuracy();
        tracing::info!("penalty {l2}: accuracy(val) {accuracy:.4}");
        fits.push((accuracy, l2, fit));
    }
    // The last of equal ones in reverse is the strongest.
    let best = fits.into_iter().rev().max_by(|a, b| a.0.total_cmp(&b.0));
    let (_, l2, fit) = best.context("no penalty was given")?;
    let splits = [Split::Train, Split::Val, Split::Test].into_iter().filter(|&split| !scenes.split(split).is_empty());
    Ok(Probe { l2, splits: splits.map(|split| Ok((split, judge(&fit, split)?))).collect::<Result<_>>()? })
}

//! Several trained models that caption the same dataset together.

use super::decoding::{Search, fitting, in_batches};
use super::{Session, SplitEvaluation};
use crate::data::{ImageEntry, Split, Vocabulary};
use crate::decode::DecodeConfig;
use crate::models::ensemble::{Ensemble, Mean, Part};
use crate::runtime::Interrupt;
use anyhow::{Context, Result, bail};
use tch::Tensor;

/// Sessions over the same images, each with a model, encoders and words of its own.
pub struct SessionEnsemble {
    sessions: Vec<Session>,
    weights: Vec<f64>,
    mean: Mean,
}

impl SessionEnsemble {
    /// `weights`: one a session, or none where all count alike.
    ///
    /// # Errors
    /// Fewer than two sessions, weights that are not one positive number a session, or different images or captions.
    pub fn new(sessions: Vec<Session>, weights: Vec<f64>, mean: Mean) -> Result<Self> {
        let weights = if weights.is_empty() { vec![1.0; sessions.len()] } else { weights };
        let ensemble = Self { sessions, weights, mean };
        let (first, others) = ensemble.first()?;
        if others.is_empty() {
            bail!("an ensemble needs at least two models");
        }
        for other in others {
            same_images(first, other)?;
        }
        ensemble.model()?;
        Ok(ensemble)
    }

    /// The session whose captions and features count where the members' differ: references are its own, and similar
    /// images are sought by its encoders.
    fn first(&self) -> Result<(&Session, &[Session])> {
        self.sessions.split_first().context("an ensemble needs at least two models")
    }

    /// The first member.
    pub fn session(&self) -> Result<&Session> {
        Ok(self.first()?.0)
    }

    fn model(&self) -> Result<(Ensemble<'_>, Vocabulary)> {
        fn part(session: &Session) -> Part<'_> {
            let Session { model, vocabulary, features, .. } = session;
            Part { model: &**model, vocabulary, encoders: features.encoders() }
        }
        let parts: Vec<Part<'_>> = self.sessions.iter().map(part).collect();
        Ensemble::new(&parts, &self.weights, self.mean, self.first()?.0.device)
    }

    /// Captions and scores a split, unless the process is asked to stop.
    pub fn evaluate(&self, split: Split, decode: &DecodeConfig, interrupt: &Interrupt) -> Result<SplitEvaluation> {
        let (first, _) = self.first()?;
        let (model, vocabulary) = self.model()?;
        let search = Search::new(first, &model, &vocabulary, decode)?;
        let mut evaluated = first.evaluate_by(split, &|images| {
            in_batches(images, decode, interrupt, &mut |batch| {
                fitting(batch, &mut |part| search.decode(&self.looked_at(part)?, part))
            })
        })?;
        evaluated.attributes = None; // those of the first model say nothing of the others
        Ok(evaluated)
    }

    /// What every model sees of some images, that of the first model first.
    fn looked_at(&self, images: &[usize]) -> Result<Vec<Tensor>> {
        let seen = self.sessions.iter().map(|session| session.looked_at(images));
        Ok(seen.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}

/// Whether two sessions caption the same images with the same references.
fn same_images(first: &Session, other: &Session) -> Result<()> {
    let (ours, theirs) = (&first.dataset.images, &other.dataset.images);
    let differ = ours.iter().zip(theirs).find(|(ours, theirs)| {
        let texts = |image: &ImageEntry| image.captions.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
        ours.file_name != theirs.file_name || ours.split != theirs.split || texts(ours) != texts(theirs)
    });
    let runs = || format!("'{}' and '{}'", first.experiment.name, other.experiment.name);
    if let Some((ours, theirs)) = differ {
        bail!(
            "{} have different images, splits or captions ('{}', '{}'), so they make no ensemble; evaluate runs of one \
             dataset",
            runs(),
            ours.file_name,
            theirs.file_name
        );
    }
    if ours.len() != theirs.len() {
        bail!(
            "{} have {} and {} usable images, so they make no ensemble; evaluate runs of one dataset",
            runs(),
            ours.len(),
            theirs.len()
        );
    }
    Ok(())
}

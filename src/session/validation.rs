//! Scores of the validation split, by which epochs are compared.

use super::Session;
use crate::data::Split;
use crate::eval::{MetricSet, References, Scores};
use crate::train::{EarlyStopConfig, ScoredAs, WatchedSplit};
use anyhow::Result;

/// The watched split with its references, and the one beside it where there is one.
pub(super) struct Validation<'a> {
    session: &'a Session,
    stop: &'a EarlyStopConfig,
    split: Split,
    watched: Images,
    beside: Option<(Split, Images)>,
    metrics: MetricSet,
}

struct Images {
    /// Places in the dataset.
    places: Vec<usize>,
    references: References,
}

pub(super) fn watched(split: WatchedSplit) -> Split {
    match split {
        WatchedSplit::Val => Split::Val,
        WatchedSplit::Test => Split::Test,
    }
}

impl<'a> Validation<'a> {
    pub(super) fn new(session: &'a Session, stop: &'a EarlyStopConfig) -> Self {
        let images = |split| {
            let places = session.split(split);
            Images { references: session.references(&places), places }
        };
        let split = watched(stop.split);
        let beside = stop.beside.map(watched).map(|split| (split, images(split)));
        // SPICE is for the final scores, unless training stops by it.
        let by_spice = stop.metric.starts_with("SPICE");
        let metrics = if by_spice { MetricSet::ALL } else { MetricSet::SM };
        Self { session, stop, split, watched: images(split), beside, metrics }
    }

    pub(super) fn scores(&self) -> Result<Scores> {
        let mut scores = self.of(&self.watched)?;
        if let Some((split, images)) = self.beside.as_ref().filter(|(_, images)| !images.places.is_empty()) {
            let further = self.of(images)?;
            scores.0.extend(further.0.into_iter().map(|(name, score)| (format!("{split} {name}"), score)));
        }
        let of_attributes =
            self.session.over_batches(self.split, |batches| self.session.model.attribute_scores(batches))?;
        scores.0.extend(of_attributes.unwrap_or_default().0);
        Ok(scores)
    }

    fn of(&self, wanted: &Images) -> Result<Scores> {
        let (images, captions) = self.session.for_validation(&wanted.places, self.stop.beam)?;
        match self.stop.score {
            ScoredAs::Words if images == wanted.places => Ok(wanted.references.score(&captions, self.metrics)?.corpus),
            ScoredAs::Words => Ok(self.session.references(&images).score(&captions, self.metrics)?.corpus),
            ScoredAs::Ids => self.session.score_on_ids(&images, &captions),
        }
    }
}

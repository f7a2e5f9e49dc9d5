//! The stages of a training, one after the other, each by the one training loop.

use super::Session;
use super::captions::CaptionSet;
use super::objective::CaptionObjective;
use super::validation::{Validation, watched};
use crate::data::Split;
use crate::data::batch::Batch;
use crate::experiment::Experiment;
use crate::runtime::Interrupt;
use crate::train::checkpoint::{ATTRIBUTES, CONFIG, VOCABULARY};
use crate::train::{Companion, Done, Objective, Outcome, ProcessGroup, Run, TrainConfig, TrainState, WatchedSplit};
use anyhow::{Result, bail};
use std::path::Path;

/// What all stages of a training share.
pub(super) struct Training<'a> {
    /// Of the run; stages beside the captioning one have a folder of their own in it.
    pub(super) folder: &'a Path,
    /// Continue what is there.
    pub(super) resume: bool,
    pub(super) interrupt: &'a Interrupt,
    pub(super) group: &'a ProcessGroup,
    pub(super) on_step: &'a mut dyn FnMut(Done),
}

impl Session {
    /// Trains in a run folder, its first stage before if it has one and reinforcement after it if it has that,
    /// continuing what is there where `resume` is set; every process of the group does so. Afterwards the model is that
    /// of the best epoch.
    pub fn train(
        &mut self,
        folder: &Path,
        resume: bool,
        interrupt: &Interrupt,
        group: &ProcessGroup,
        on_step: &mut dyn FnMut(Done),
    ) -> Result<(TrainState, Outcome)> {
        self.require_watched(self.experiment.train.early_stop.split)?;
        let mut training = Training { folder, resume, interrupt, group, on_step };
        let (first, ended) = self.train_first_stage(&mut training)?;
        if ended == Outcome::Interrupted {
            return Ok((first, ended));
        }
        let captioning = self.train_captions(first.updates, &mut training)?;
        if captioning.1 == Outcome::Interrupted {
            return Ok(captioning);
        }
        let reinforced = self.train_reinforced(&mut training)?;
        Ok(reinforced.unwrap_or(captioning))
    }

    /// The captioning stage, behind a first one of so many steps.
    fn train_captions(&self, steps_before: u64, training: &mut Training) -> Result<(TrainState, Outcome)> {
        let Experiment { train, model, .. } = &self.experiment;
        let validation = Validation::new(self, &train.early_stop);
        let set = CaptionSet::new(self, &self.split(Split::Train), train.examples, train.seed)
            .sharing_images(train.share_images)
            .smoothed(train.label_smoothing);
        let losses = |batch: &Batch, epoch| self.model.losses(batch, true).weighted(|term| model.weight(term, epoch));
        let validate = || validation.scores();
        let objective = CaptionObjective { set: &set, losses: &losses, validate: &validate, separable: true };
        let steps_before = if train.is_continued() { steps_before } else { 0 };
        self.run_stage(&objective, train, steps_before, training.folder, training)
    }

    /// Trains one stage in its folder.
    pub(super) fn run_stage(
        &self,
        objective: &dyn Objective,
        config: &TrainConfig,
        steps_before: u64,
        folder: &Path,
        training: &mut Training,
    ) -> Result<(TrainState, Outcome)> {
        Run {
            objective,
            store: &self.store,
            config,
            steps_before,
            folder,
            companions: &self.companions()?,
            interrupt: training.interrupt,
            group: training.group,
            on_step: &mut *training.on_step,
        }
        .train(training.resume)
    }

    /// An error where the split that a stage watches has no images.
    pub(super) fn require_watched(&self, split: WatchedSplit) -> Result<()> {
        let watched = watched(split);
        if self.split(watched).is_empty() {
            bail!("'{}' has no images in the split '{watched}', by which the best epoch is chosen", self.dataset.name);
        }
        Ok(())
    }

    /// What every checkpoint carries beside weights and state.
    fn companions(&self) -> Result<Vec<Companion>> {
        let mut companions = vec![
            Companion { name: CONFIG, content: crate::experiment::to_yaml(&self.experiment)?.into_bytes() },
            Companion { name: VOCABULARY, content: self.vocabulary.to_json()?.into_bytes() },
        ];
        if let Some(attributes) = &self.attributes {
            companions.push(Companion { name: ATTRIBUTES, content: attributes.to_json()?.into_bytes() });
        }
        Ok(companions)
    }
}

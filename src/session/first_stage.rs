//! The first training stage of a run, where its experiment has one.

use super::captions::CaptionSet;
use super::pairs::PairSet;
use super::stages::Training;
use super::{CaptionObjective, Session, TrainingSet};
use crate::data::Split;
use crate::data::batch::Batch;
use crate::eval::Scores;
use crate::features::FeatureProgress;
use crate::models::FirstStage;
use crate::models::first_stage::StageExamples;
use crate::runs::{StageScores, first_stage_folder};
use crate::train::TrainConfig;
use crate::train::{Done, Outcome, TrainState, checkpoint};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use tch::Tensor;

impl Session {
    /// Runs the first stage in `<folder>/first_stage`, unless there is none or the captioning stage has begun, and
    /// leaves the model as that stage is to find it. The scores before and after are written beside the checkpoints and
    /// shown.
    pub(super) fn train_first_stage(&self, training: &mut Training) -> Result<(TrainState, Outcome)> {
        let Training { folder, resume, interrupt, group, .. } = *training;
        let none = || Ok((TrainState::default(), Outcome::Finished));
        let Some(config) = &self.experiment.first_stage else { return none() };
        if group.share(|| Ok(resume && checkpoint::exists(&folder.join("checkpoints/last"))))? {
            return none();
        }
        let Some(stage) = self.model.first_stage() else { return none() };
        let needs = self.experiment.model.first_stage().context("the model has no first training stage")?;
        if self.split(Split::Val).is_empty() {
            bail!("'{}' has no validation images, by which the best epoch is chosen", self.dataset.name);
        }
        let config = TrainConfig { seed: self.experiment.train.seed, ..config.clone() };
        let made = self.untransferred(stage);
        let before = if group.leads() { self.stage_scores(stage)? } else { BTreeMap::new() };
        let images = self.split(Split::Train);
        let mut progress = |p: FeatureProgress| {
            (training.on_step)(Done { done: p.done, of: p.total.max(1), loss: None });
            interrupt.check("computed features are kept; continue with --resume")
        };
        let set: Box<dyn TrainingSet> = match needs.examples {
            StageExamples::Captions => Box::new(CaptionSet::new(self, &images, config.examples, config.seed)),
            StageExamples::Pairs(augment) => {
                Box::new(PairSet::new(self, &images, config.examples, augment, &mut progress)?)
            }
        };
        let path = first_stage_folder(folder);
        tracing::info!("first stage: {} examples, {} epochs, in '{}'", set.len(), config.epochs, path.display());
        let objective = CaptionObjective {
            set: &*set,
            losses: &|batch: &Batch, _| stage.losses(batch, true),
            validate: &|| self.scores_of(stage, Split::Val),
            separable: !stage.compares_examples(),
        };
        let ended = self.run_stage(&objective, &config, 0, &path, training)?;
        if ended.1 == Outcome::Finished {
            group.share(|| {
                let scores = StageScores { before, after: self.stage_scores(stage)? };
                show(&scores);
                scores.save(folder)
            })?;
            restore(made);
        }
        Ok(ended)
    }

    /// Copies of the parameters that the captioning stage begins with as they were made, each with the parameter.
    fn untransferred(&self, stage: &dyn FirstStage) -> Vec<(Tensor, Tensor)> {
        let variables = self.store.variables();
        let mut names: Vec<&String> = variables.keys().filter(|name| !stage.transfers(name)).collect();
        names.sort_unstable();
        names.iter().map(|name| (variables[*name].shallow_clone(), variables[*name].detach().copy())).collect()
    }

    /// Scores of the validation and, where there is one, the test split.
    fn stage_scores(&self, stage: &dyn FirstStage) -> Result<BTreeMap<String, Scores>> {
        let mut scores = BTreeMap::from([("val".to_owned(), self.scores_of(stage, Split::Val)?)]);
        if !self.split(Split::Test).is_empty() {
            scores.insert("test".to_owned(), self.scores_of(stage, Split::Test)?);
        }
        Ok(scores)
    }

    fn scores_of(&self, stage: &dyn FirstStage, split: Split) -> Result<Scores> {
        self.over_batches(split, |batches| stage.scores(batches))
    }
}

fn show(StageScores { before, after }: &StageScores) {
    for (split, after) in after {
        let pairs = after.0.iter().map(|(name, value)| {
            let first = before.get(split).and_then(|scores| scores.get(name)).unwrap_or(f64::NAN);
            format!("{name} {first:.3} -> {value:.3}")
        });
        tracing::info!("first stage, {split}: {}", pairs.collect::<Vec<_>>().join("  "));
    }
}

/// Puts values back into their parameters.
fn restore(made: Vec<(Tensor, Tensor)>) {
    tch::no_grad(|| made.into_iter().for_each(|(mut parameter, value)| parameter.copy_(&value)));
}

//! Self-critical training after the captioning stage, where the experiment has `reinforce`.

use super::Session;
use super::reward::Reward;
use super::stages::Training;
use super::validation::Validation;
use crate::data::batch::{Batch, PackedCaptions};
use crate::data::{END, START, Split};
use crate::decode::sample::{Sample, SampleOptions, sample};
use crate::decode::{BeamOptions, beam_search};
use crate::eval::Scores;
use crate::runs::reinforce_folder;
use crate::runtime::libtorch::upload;
use crate::train::{Baseline, Objective, Outcome, Prepared, ReinforceConfig, Streams};
use crate::train::{TrainConfig, TrainState, Unit};
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Result, bail};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use tch::Tensor;

/// File of what the rewards were computed with, in the folder of the stage.
const REWARD: &str = "reward.json";

impl Session {
    /// Runs the stage in `<folder>/reinforce` from the model as it is; `None` where the experiment has none. Afterwards
    /// the model is that of the stage's best epoch.
    pub(super) fn train_reinforced(&self, training: &mut Training) -> Result<Option<(TrainState, Outcome)>> {
        let Some(config) = &self.experiment.reinforce else { return Ok(None) };
        self.require_watched(config.train.early_stop.split)?;
        let train = TrainConfig { seed: self.experiment.train.seed, ..config.train.clone() };
        let path = reinforce_folder(training.folder);
        let objective = SelfCritical::new(self, config);
        training.group.share(|| note_references(&path, &objective.reward.references_sha256))?;
        tracing::info!(
            "reinforcement: {} images, {} captions drawn of each, {} epochs, in '{}'",
            objective.len(),
            config.samples,
            train.epochs,
            path.display()
        );
        self.run_stage(&objective, &train, 0, &path, training).map(Some)
    }
}

/// Records which references count; a run keeps to them.
fn note_references(folder: &Path, sha256: &str) -> Result<()> {
    let path = folder.join(REWARD);
    let record = json!({ "references_sha256": sha256 });
    if path.is_file() {
        let before: serde_json::Value = serde_json::from_str(&read_text(&path)?).unwrap_or_default();
        if before != record && folder.join("checkpoints").exists() {
            bail!(
                "the training references are not those that '{}' was begun with; restore the caption file, or replace \
                 the run with --overwrite",
                folder.display()
            );
        }
    }
    write_atomic(&path, &serde_json::to_vec_pretty(&record)?)
}

/// The training images, each an example: captions are drawn of it and weighed by their rewards.
struct SelfCritical<'a> {
    session: &'a Session,
    config: &'a ReinforceConfig,
    reward: Reward,
    validation: Validation<'a>,
    /// Places in the dataset.
    images: Vec<usize>,
    /// `<start> words <end>` of each image's references.
    references: Vec<Vec<Vec<i64>>>,
    /// All of them, to tell copies.
    known: BTreeSet<Vec<i64>>,
}

/// What the draws of a step are worth.
struct Drawn {
    samples: Vec<Vec<Sample>>,
    /// By image, as `samples`.
    advantages: Vec<Vec<f64>>,
    told: Vec<(&'static str, f64)>,
}

impl<'a> SelfCritical<'a> {
    fn new(session: &'a Session, config: &'a ReinforceConfig) -> Self {
        let captions = |&place: &usize| &session.dataset.images[place].captions;
        let images: Vec<usize> =
            session.split(Split::Train).into_iter().filter(|place| !captions(place).is_empty()).collect();
        let texts: Vec<Vec<String>> =
            images.iter().map(|place| captions(place).iter().map(|caption| caption.text.clone()).collect()).collect();
        let encoded = |place: &usize| -> Vec<Vec<i64>> {
            let captions = captions(place).iter().filter(|caption| !caption.words.is_empty());
            captions.map(|caption| session.vocabulary.encode(&caption.words)).collect()
        };
        let references: Vec<Vec<Vec<i64>>> = images.iter().map(encoded).collect();
        let known = references.iter().flatten().cloned().collect();
        let validation = Validation::new(session, &config.train.early_stop);
        Self { session, config, reward: Reward::new(config.reward, &texts), validation, images, references, known }
    }

    /// Draws captions of the examples and weighs them.
    fn draw(&self, examples: &[usize], features: &[Tensor]) -> Result<Drawn> {
        let Self { session, config, .. } = self;
        let model = &*session.model;
        let max_length = session.vocabulary.max_length();
        let prepared = tch::no_grad(|| model.prepare(features));
        let options = SampleOptions { count: config.samples, max_length, temperature: config.temperature };
        let samples = sample(model, &prepared, &options);
        let (mut captions, mut images) = (Vec::new(), Vec::new());
        let mut add = |example: usize, tokens: &[i64], finished: bool| {
            captions.push((session.vocabulary.decode(tokens).join(" "), finished));
            images.push(example);
        };
        for (&example, samples) in examples.iter().zip(&samples) {
            samples.iter().for_each(|sample| add(example, &sample.tokens, sample.finished));
        }
        if config.baseline == Baseline::Greedy {
            let options = BeamOptions { max_length, ..BeamOptions::default() };
            for (&example, found) in examples.iter().zip(beam_search(model, &prepared, &options)) {
                let (tokens, finished) =
                    found.first().map_or((&[][..], false), |best| (best.tokens.as_slice(), best.finished));
                add(example, tokens, finished);
            }
        }
        let rewards = self.reward.score(&captions, &images)?;
        let (drawn, greedy) = rewards.split_at(examples.len() * config.samples);
        let mut advantages = Vec::with_capacity(examples.len());
        for (image, rewards) in drawn.chunks(config.samples).enumerate() {
            let greedy = greedy.get(image).copied().unwrap_or_default();
            advantages.push(config.baseline.advantages(rewards, greedy));
        }
        let told = self.tell(&samples, drawn, &advantages)?;
        Ok(Drawn { samples, advantages, told })
    }

    /// What is logged of a step; an error where captions have collapsed.
    fn tell(
        &self,
        samples: &[Vec<Sample>],
        rewards: &[f64],
        advantages: &[Vec<f64>],
    ) -> Result<Vec<(&'static str, f64)>> {
        let all: Vec<&Sample> = samples.iter().flatten().collect();
        let count = all.len().max(1) as f64;
        let steps = all.iter().map(|sample| sample.steps()).sum::<usize>().max(1) as f64;
        let reward = rewards.iter().sum::<f64>() / count;
        let advantage = advantages.iter().flatten().sum::<f64>() / count;
        let length = all.iter().map(|sample| sample.tokens.len()).sum::<usize>() as f64 / count;
        let distinct = all.iter().map(|sample| &sample.tokens).collect::<BTreeSet<_>>().len() as f64 / count;
        let copies = all.iter().filter(|sample| self.known.contains(&sequence(sample))).count() as f64 / count;
        let ReinforceConfig { min_length, min_distinct, .. } = *self.config;
        if length < min_length || distinct < min_distinct {
            bail!(
                "the captions have collapsed: those drawn in this step have {length:.1} words in the mean, and {:.1} % \
                 of them are different (limits: reinforce.min_length {min_length}, reinforce.min_distinct \
                 {min_distinct}); lower reinforce.train.optimizer.lr or raise reinforce.cross_entropy (the best \
                 checkpoint is kept)",
                100.0 * distinct
            );
        }
        Ok(vec![
            ("reward", reward),
            ("baseline", reward - advantage),
            ("length", length),
            ("entropy", all.iter().map(|sample| sample.entropy).sum::<f64>() / steps),
            ("distinct", distinct),
            ("copies", copies),
        ])
    }

    /// The draws, and the references where they count, with the weights of their losses.
    fn packed(&self, examples: &[usize], drawn: &Drawn) -> (PackedCaptions, Tensor) {
        let mut sequences: Vec<Vec<i64>> = drawn.samples.iter().flatten().map(sequence).collect();
        let mut weights: Vec<f64> = drawn.advantages.concat();
        let mut rows: Vec<usize> = (0..examples.len()).flat_map(|row| vec![row; self.config.samples]).collect();
        let tokens = |sequences: &[Vec<i64>]| sequences.iter().map(|ids| ids.len().saturating_sub(1)).sum::<usize>();
        let of_draws = tokens(&sequences);
        let draws = sequences.len();
        if self.config.cross_entropy > 0.0 {
            for (row, &example) in examples.iter().enumerate() {
                let references = self.references.get(example).map(Vec::as_slice).unwrap_or_default();
                rows.extend(references.iter().map(|_| row));
                sequences.extend(references.iter().cloned());
            }
        }
        let all = tokens(&sequences) as f64;
        // Each of both losses is a mean over its own tokens, and the pass takes the mean over all.
        weights.iter_mut().for_each(|weight| *weight *= all / of_draws.max(1) as f64);
        let of_references = all / tokens(&sequences[draws..]).max(1) as f64;
        weights.resize(sequences.len(), self.config.cross_entropy * of_references);
        let ids: Vec<&[i64]> = sequences.iter().map(Vec::as_slice).collect();
        let packed = PackedCaptions::new(&ids, self.session.device);
        let image_rows: Vec<i64> = packed.order.iter().map(|&caption| rows[caption] as i64).collect();
        let weights: Vec<f32> = packed.order.iter().map(|&caption| weights[caption] as f32).collect();
        (packed.weighted(&weights), upload(&image_rows, self.session.device))
    }
}

/// A draw as the model is taught it: without `<end>` where none was drawn.
fn sequence(sample: &Sample) -> Vec<i64> {
    let end = sample.finished.then_some(END);
    std::iter::once(START).chain(sample.tokens.iter().copied()).chain(end).collect()
}

impl Objective for SelfCritical<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn unit(&self) -> Unit {
        Unit::Images
    }

    fn batch(&self, examples: &[usize], _epoch: usize) -> Result<Prepared<'_>> {
        let places: Vec<usize> = examples.iter().map(|&example| self.images[example]).collect();
        let features = self.session.looked_at(&places)?;
        let drawn = self.draw(examples, &features)?;
        let (captions, image_rows) = self.packed(examples, &drawn);
        let weight = captions.tokens();
        let batch = Batch { captions, image_rows, features, attributes: None, augmented: None, nouns: None };
        let losses = move || {
            let losses = self.session.model.losses(&batch, self.config.dropout);
            Ok(losses.weighted(|term| f64::from(u8::from(term == "cross_entropy"))).telling(drawn.told))
        };
        Ok(Prepared { weight, losses: Box::new(losses) })
    }

    fn prefetch(&self, examples: &[usize], _epoch: usize) {
        let places: Vec<usize> = examples.iter().filter_map(|&example| self.images.get(example).copied()).collect();
        self.session.features.prefetch(&places);
    }

    fn describe(&self, example: usize) -> String {
        let image = self.images.get(example).and_then(|&place| self.session.dataset.images.get(place));
        image.map_or_else(String::new, |image| image.file_name.clone())
    }

    fn scores(&self) -> Result<Scores> {
        self.validation.scores()
    }

    fn streams(&self) -> Streams {
        Streams { order: 21, step: 22 }
    }
}

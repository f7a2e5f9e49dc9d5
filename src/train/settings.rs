//! The `train` block of an experiment.

use crate::config::Checks;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    pub seed: u64,
    /// What one example is.
    pub examples: Examples,
    /// An image of which a step has several captions goes through the encoder once for all of them; else once for
    /// each, as in programs that know captions alone: batch normalisation and dropout then see it so many times.
    #[serde(skip_serializing_if = "is_true")]
    pub share_images: bool,
    /// Examples that go through the model at a time.
    pub batch_size: usize,
    /// Batches whose gradients make one step: as one batch of so many times the size, in less memory.
    pub accumulate: usize,
    /// At most so many epochs.
    pub epochs: usize,
    pub optimizer: OptimizerConfig,
    pub schedule: ScheduleConfig,
    /// Steps over which the learning rate rises to its value, before the schedule begins.
    #[serde(skip_serializing_if = "is_default")]
    pub warmup_steps: usize,
    /// Settings of parts of the model; a parameter belongs to the longest prefix that fits its name.
    pub parts: Vec<PartConfig>,
    /// Every element of the gradient is clamped to `[-clip_value, clip_value]`.
    pub clip_value: Option<f64>,
    /// Norm to which the gradient is then clipped.
    pub clip_norm: Option<f64>,
    /// Share of each target word's probability that the loss spreads over the vocabulary (Szegedy et al. 2016).
    #[serde(skip_serializing_if = "is_default")]
    pub label_smoothing: f64,
    /// Decay of a moving average of the parameters, in whose place it is validated, kept and used; over the first steps
    /// `(1 + step) / (10 + step)` where that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Checkpoints within an epoch, every so many steps, beside the one at its end.
    pub checkpoint_steps: Option<usize>,
    /// The mean loss is written to `steps.jsonl` and for TensorBoard every so many steps.
    pub log_steps: Option<usize>,
    pub early_stop: EarlyStopConfig,
    /// Scores by which further best checkpoints are kept, as `best-<score>`.
    pub keep_best: Vec<String>,
    /// Keep the checkpoints of so many epochs, as `epoch-<number>`, beside `last` and the best.
    pub keep_last: usize,
    /// Let so many steps at a time share their examples out by length (default: steps are drawn at random).
    pub bucket: Option<usize>,
    pub precision: TrainPrecision,
    /// Products of float32 matrices on a GPU may round their factors to 10 bits.
    pub tf32: bool,
    /// Refuse operations whose result is not the same every time.
    pub deterministic: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            examples: Examples::Captions,
            share_images: true,
            batch_size: 64,
            accumulate: 1,
            epochs: 200,
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            warmup_steps: 0,
            parts: Vec::new(),
            clip_value: None,
            clip_norm: None,
            label_smoothing: 0.0,
            ema: None,
            checkpoint_steps: None,
            log_steps: Some(50),
            early_stop: EarlyStopConfig::default(),
            keep_best: Vec::new(),
            keep_last: 0,
            bucket: None,
            precision: TrainPrecision::Float32,
            tf32: false,
            deterministic: false,
        }
    }
}

/// Number format of the forward pass in training; parameters, gradients and decoding are float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainPrecision {
    Float32,
    /// bfloat16 where LibTorch's autocast deems that safe; CUDA devices only.
    Bf16,
}

/// What one training example is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Examples {
    /// A caption with its image; an epoch sees every caption.
    Captions,
    /// An image with all its captions; an epoch sees every caption.
    Images,
    /// An image with one of its captions, drawn anew each epoch.
    OneCaption,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    pub kind: OptimizerKind,
    /// Learning rate before the schedule; the `noam` schedule does without.
    pub lr: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    /// So many times the parameter is added to its gradient; `adamw` takes it from the parameter itself.
    pub weight_decay: f64,
    /// Of `sgd`.
    #[serde(skip_serializing_if = "is_default")]
    pub momentum: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { kind: OptimizerKind::Adam, lr: 1e-4, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, momentum: 0.0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Kingma and Ba 2015.
    Adam,
    /// Rectified Adam: Liu et al. 2020.
    Radam,
    /// With decoupled weight decay: Loshchilov and Hutter 2019.
    Adamw,
    /// With momentum.
    Sgd,
}

/// How the learning rate goes, as a one-key map (`constant` and `cosine` may stand alone).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleConfig {
    #[default]
    Constant,
    /// Half a cosine, from the rate down to zero at the last step.
    Cosine,
    CosineRestarts(CosineRestartsConfig),
    Noam(NoamConfig),
    Step(StepConfig),
    Plateau(PlateauConfig),
}

/// Half cosines one after the other, each down to zero: Loshchilov and Hutter 2017 (SGDR).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosineRestartsConfig {
    /// Steps of the first.
    pub period: usize,
    /// Each is so many times as long as the one before.
    #[serde(default = "one")]
    pub growth: f64,
}

/// Per step, from 1: `factor * d_model^-0.5 * min(step^-0.5, step * warmup^-1.5)` (Vaswani et al. 2017, section 5.3),
/// in place of `optimizer.lr`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoamConfig {
    /// Steps during which the rate rises.
    pub warmup: usize,
    /// Width of the model.
    pub d_model: usize,
    #[serde(default = "one")]
    pub factor: f64,
    /// The steps of the first stage count, too, where there was one: one rise and fall over both stages.
    #[serde(default, skip_serializing_if = "is_default")]
    pub continued: bool,
}

/// Multiplies the rate by `factor` after every so many epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepConfig {
    /// Epochs between two decays.
    pub every: usize,
    pub factor: f64,
}

/// Multiplies the rate by `factor` while a score of the validation split does not rise. One of `every` and `patience`
/// says when; `every: n` is `patience: n - 1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauConfig {
    /// The score (default: that of `early_stop`).
    #[serde(default)]
    pub metric: Option<String>,
    pub factor: f64,
    /// Before an epoch, when the epochs since the best one are a multiple of this.
    #[serde(default)]
    pub every: Option<usize>,
    /// Once more than so many epochs have passed since the best one or the last decay.
    #[serde(default)]
    pub patience: Option<usize>,
}

/// Settings of the parameters whose names begin with `prefix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartConfig {
    /// A parameter's name, or its beginning up to a dot.
    pub prefix: String,
    /// Factor of the learning rate.
    #[serde(default = "one")]
    pub lr_scale: f64,
    /// Leave these parameters as they are.
    #[serde(default)]
    pub freeze: bool,
    /// Whether the schedule applies; else the rate stays `optimizer.lr * lr_scale`.
    #[serde(default = "yes")]
    pub decay: bool,
    /// Clamps the elements of the gradient, in place of the `clip_value` of all.
    #[serde(default)]
    pub clip_value: Option<f64>,
}

impl PartConfig {
    /// Whether these parts freeze a parameter.
    pub fn freezes(parts: &[Self], name: &str) -> bool {
        let of =
            |part: &Self| name.strip_prefix(&part.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        parts.iter().filter(|part| of(part)).max_by_key(|part| part.prefix.len()).is_some_and(|part| part.freeze)
    }
}

/// What new settings are by default is not written, so that experiments keep their identity.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_true(value: &bool) -> bool {
    *value
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// Training stops after `patience` epochs without a better value of `metric` on the validation split; the weights of
/// the best epoch are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopConfig {
    pub metric: String,
    pub patience: usize,
    /// The split that is captioned and scored. `test` belongs to programs that choose so; results are then those of a
    /// choice by the test split.
    pub split: WatchedSplit,
    /// A further split that is captioned and scored in the same way after each epoch, its scores named after it (`val
    /// METEOR`): for `keep_best`.
    #[serde(skip_serializing_if = "is_default")]
    pub beside: Option<WatchedSplit>,
    /// What is scored: `words`, or their `ids`, as some programs do.
    pub score: ScoredAs,
    /// Beam of the captions that are scored; 1 is greedy search.
    pub beam: usize,
}

/// A split by which the best epoch is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchedSplit {
    #[default]
    Val,
    Test,
}

impl WatchedSplit {
    /// The metric in the name of a score of this split beside the watched one: `METEOR` of `val METEOR`.
    pub fn metric(self, score: &str) -> Option<&str> {
        let split = match self {
            Self::Val => "val ",
            Self::Test => "test ",
        };
        score.strip_prefix(split)
    }
}

/// What captions are scored as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredAs {
    #[default]
    Words,
    Ids,
}

impl Default for EarlyStopConfig {
    fn default() -> Self {
        Self {
            metric: "ROUGE_L".into(),
            patience: 8,
            split: WatchedSplit::Val,
            beside: None,
            score: ScoredAs::Words,
            beam: 1,
        }
    }
}

/// Scores by which training can stop, in the field's order.
pub const METRICS: [&str; 8] = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE_L", "CIDEr", "SPICE (native)"];

impl TrainConfig {
    /// Whether the schedule counts on from the steps of an earlier stage.
    pub fn is_continued(&self) -> bool {
        matches!(&self.schedule, ScheduleConfig::Noam(noam) if noam.continued)
    }

    /// Adds what is wrong with these settings, which stand under `stage`, to `checks`; `metrics`: what training can be
    /// stopped by.
    pub fn check(&self, stage: &str, metrics: &[&str], checks: &mut Checks) {
        let path = |field: &str| format!("{stage}.{field}");
        let optimizer = &self.optimizer;
        checks.size(&path("batch_size"), self.batch_size);
        checks.size(&path("accumulate"), self.accumulate);
        checks.duration(&path("epochs"), self.epochs, 1);
        checks.above_zero(&path("optimizer.lr"), optimizer.lr);
        for (index, beta) in optimizer.betas.iter().enumerate() {
            checks.fraction(&path(&format!("optimizer.betas.{index}")), *beta);
        }
        checks.above_zero(&path("optimizer.eps"), optimizer.eps);
        checks.zero_or_more(&path("optimizer.weight_decay"), optimizer.weight_decay);
        checks.fraction(&path("optimizer.momentum"), optimizer.momentum);
        schedule(stage, &self.schedule, metrics, checks);
        checks.duration(&path("warmup_steps"), self.warmup_steps, 0);
        let warmed_twice = self.warmup_steps > 0 && matches!(self.schedule, ScheduleConfig::Noam(_));
        checks.require(!warmed_twice, &path("warmup_steps"), || "the noam schedule has its own warmup".into());
        parts(stage, &self.parts, checks);
        checks.above_zero_if_set(&path("clip_value"), self.clip_value);
        checks.above_zero_if_set(&path("clip_norm"), self.clip_norm);
        checks.fraction(&path("label_smoothing"), self.label_smoothing);
        checks.fraction(&path("ema"), self.ema.unwrap_or_default());
        checks.at_least_if_set(&path("checkpoint_steps"), self.checkpoint_steps, 1);
        checks.at_least_if_set(&path("log_steps"), self.log_steps, 1);
        checks.size_if_set(&path("bucket"), self.bucket);
        checks.one_of(&path("early_stop.metric"), &self.early_stop.metric, metrics);
        let of_words = self.early_stop.score == ScoredAs::Ids && self.early_stop.metric.starts_with("SPICE");
        checks.require(!of_words, &path("early_stop.metric"), || {
            "SPICE needs words (expected another metric, or early_stop.score: words)".into()
        });
        checks.at_least(&path("early_stop.patience"), self.early_stop.patience, 1);
        for (index, metric) in self.keep_best.iter().enumerate() {
            let of_beside = self.early_stop.beside.and_then(|split| split.metric(metric));
            checks.one_of(&path(&format!("keep_best.{index}")), of_beside.unwrap_or(metric), metrics);
        }
        checks.beam(&path("early_stop.beam"), self.early_stop.beam);
    }
}

fn schedule(stage: &str, schedule: &ScheduleConfig, metrics: &[&str], checks: &mut Checks) {
    let path = |field: &str| format!("{stage}.schedule.{field}");
    match schedule {
        ScheduleConfig::Constant | ScheduleConfig::Cosine => {}
        ScheduleConfig::CosineRestarts(restarts) => {
            checks.at_least(&path("cosine_restarts.period"), restarts.period, 1);
            let growth = restarts.growth;
            checks.require(growth >= 1.0, &path("cosine_restarts.growth"), || {
                format!("out of range (expected 1 or more, found {growth})")
            });
        }
        ScheduleConfig::Noam(noam) => {
            checks.duration(&path("noam.warmup"), noam.warmup, 1);
            checks.size(&path("noam.d_model"), noam.d_model);
            checks.above_zero(&path("noam.factor"), noam.factor);
        }
        ScheduleConfig::Step(step) => {
            checks.at_least(&path("step.every"), step.every, 1);
            checks.above_zero(&path("step.factor"), step.factor);
        }
        ScheduleConfig::Plateau(plateau) => {
            checks.above_zero(&path("plateau.factor"), plateau.factor);
            checks.at_least_if_set(&path("plateau.every"), plateau.every, 1);
            let given = [plateau.every, plateau.patience].iter().flatten().count();
            checks.require(given == 1, &path("plateau"), || {
                format!("needs either 'every' or 'patience' (epochs), found {given} of them")
            });
            if let Some(metric) = &plateau.metric {
                checks.one_of(&path("plateau.metric"), metric, metrics);
            }
        }
    }
}

/// Whether the model has such parameters is known once it is built.
fn parts(stage: &str, parts: &[PartConfig], checks: &mut Checks) {
    for (index, part) in parts.iter().enumerate() {
        let path = |field: &str| format!("{stage}.parts.{index}.{field}");
        let prefix = &part.prefix;
        checks.require(!prefix.is_empty() && !prefix.ends_with('.'), &path("prefix"), || {
            format!("not a parameter name prefix (expected for example l3 or gru.0, found \"{prefix}\")")
        });
        let before = parts.iter().take(index).position(|other| other.prefix == *prefix);
        checks.require(before.is_none(), &path("prefix"), || {
            format!("given twice ({stage}.parts.{} has \"{prefix}\" too)", before.unwrap_or_default())
        });
        checks.above_zero(&path("lr_scale"), part.lr_scale);
        checks.above_zero_if_set(&path("clip_value"), part.clip_value);
    }
}

//! What types cannot say: ranges, names that must be known, settings that must fit each other.
//!
//! Files and folders are left to the commands, which know which of them they need.

use super::Invalid;
use super::schema::{Experiment, ModelConfig};
use crate::models::fe_lws::{self, Stack};
use crate::models::s2cpnet;
use crate::util::suggest;

/// Scores by which training can stop, in the field's order.
pub const METRICS: [&str; 7] = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE_L", "CIDEr"];

/// Splits that caption files have.
pub const SPLITS: [&str; 4] = ["train", "restval", "val", "test"];

/// Everything wrong with an experiment, by dotted path.
pub fn validate(experiment: &Experiment) -> Vec<Invalid> {
    let mut checks = Checks::default();
    name(experiment, &mut checks);
    data(experiment, &mut checks);
    encoders(experiment, &mut checks);
    match &experiment.model {
        ModelConfig::FeLws(config) => fe_lws(config, &mut checks),
        ModelConfig::S2cpNet(config) => s2cpnet(experiment, config, &mut checks),
    }
    train(experiment, &mut checks);
    decode(experiment, &mut checks);
    checks.0
}

/// The name becomes a folder below `runs/`.
fn name(experiment: &Experiment, checks: &mut Checks) {
    let name = &experiment.name;
    let parts_fit = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let letters_fit = name.chars().all(|c| c.is_alphanumeric() || "/-_.+=,".contains(c));
    checks.require(parts_fit && letters_fit, "name", || {
        format!("not the name of a run (expected letters, digits and /-_.+=, for example fe_lws/ucm, found \"{name}\")")
    });
}

fn data(experiment: &Experiment, checks: &mut Checks) {
    let data = &experiment.data;
    let vocabulary = &data.vocabulary;
    checks.require(data.root.as_os_str() != "", "data.root", || "empty (expected the folder of a dataset)".into());
    checks.require(data.captions.as_os_str() != "", "data.captions", || "empty (expected a caption file)".into());
    checks.at_least("data.vocabulary.min_count", vocabulary.min_count, 1);
    checks.at_least_if_set("data.vocabulary.max_length", vocabulary.max_length, 1);
    checks.require(!vocabulary.splits.is_empty(), "data.vocabulary.splits", || {
        "empty (expected the splits whose words are counted, for example [train])".into()
    });
    let split = &data.split;
    checks.fraction("data.split.train", split.train);
    checks.fraction("data.split.val", split.val);
    checks.require(split.train + split.val <= 1.0, "data.split", || {
        format!("the parts make more than all (expected train + val of at most 1, found {})", split.train + split.val)
    });
    for (index, split) in vocabulary.splits.iter().enumerate() {
        checks.one_of(&format!("data.vocabulary.splits.{index}"), split, &SPLITS);
    }
}

fn encoders(experiment: &Experiment, checks: &mut Checks) {
    checks.require(!experiment.encoders.is_empty(), "encoders", || "empty (expected at least one encoder)".into());
    for (index, encoder) in experiment.encoders.iter().enumerate() {
        let path = |field: &str| format!("encoders.{index}.{field}");
        checks
            .require(!encoder.name.is_empty(), &path("name"), || "empty (expected an encoder such as resnet50)".into());
        checks.require(!encoder.weights.is_empty(), &path("weights"), || {
            "empty (expected a weight file, or 'random')".into()
        });
        let size = encoder.image_size;
        checks.require((32..=4096).contains(&size), &path("image_size"), || {
            format!("out of range (expected 32 to 4096 pixels, found {size})")
        });
    }
}

fn fe_lws(config: &fe_lws::Config, checks: &mut Checks) {
    let path = |field: &str| format!("model.fe_lws.{field}");
    checks.at_least(&path("layers"), config.layers, 1);
    checks.require(config.stack != Stack::Ns || config.layers <= 1, &path("layers"), || {
        format!("stack 'ns' has one GRU (expected 1, found {})", config.layers)
    });
    for (field, width) in
        [("embedding", config.embedding), ("hidden", config.hidden), ("image", config.image), ("merge", config.merge)]
    {
        checks.at_least(&path(field), width, 1);
    }
    checks.fraction(&path("dropout"), config.dropout);
}

fn s2cpnet(experiment: &Experiment, config: &s2cpnet::Config, checks: &mut Checks) {
    let path = |field: &str| format!("model.s2cpnet.{field}");
    for (field, count) in [
        ("grid", config.grid),
        ("heads", config.heads),
        ("units", config.units),
        ("max_words", config.max_words),
        ("noun_words.max", config.noun_words.max),
    ] {
        checks.at_least(&path(field), count, 1);
    }
    let (width, heads) = (config.width, config.heads.max(1));
    checks.require(width > 0 && width.is_multiple_of(heads) && width.is_multiple_of(2), &path("width"), || {
        format!("not a multiple of 2 and of the heads (heads {heads}, found {width})")
    });
    checks.fraction(&path("dropout"), config.dropout);
    checks.fraction(&path("word_dropout"), config.word_dropout);
    let opacity = config.masks.opacity;
    checks.require((0.0..=1.0).contains(&opacity), &path("masks.opacity"), || {
        format!("out of range (expected 0 to 1, found {opacity})")
    });
    for (field, value) in [("scale", config.masks.segmenter.scale), ("sigma", config.masks.segmenter.sigma)] {
        checks.above_zero(&path(&format!("masks.segmenter.{field}")), value);
    }
    let found = experiment.encoders.len();
    checks.require(found <= 1, "encoders", || format!("this model has one encoder (expected 1, found {found})"));
    if let Some(length) = experiment.data.vocabulary.max_length {
        checks.require(length <= config.max_words, "data.vocabulary.max_length", || {
            format!("more than model.s2cpnet.max_words (expected at most {}, found {length})", config.max_words)
        });
    } else {
        checks.require(false, "data.vocabulary.max_length", || {
            format!("needed by this model, which has places for model.s2cpnet.max_words = {} words", config.max_words)
        });
    }
}

fn train(experiment: &Experiment, checks: &mut Checks) {
    let train = &experiment.train;
    let optimizer = &train.optimizer;
    checks.at_least("train.batch_size", train.batch_size, 1);
    checks.at_least("train.epochs", train.epochs, 1);
    checks.above_zero("train.optimizer.lr", optimizer.lr);
    for (index, beta) in optimizer.betas.iter().enumerate() {
        checks.fraction(&format!("train.optimizer.betas.{index}"), *beta);
    }
    checks.above_zero("train.optimizer.eps", optimizer.eps);
    let decay = optimizer.weight_decay;
    checks.require(decay >= 0.0, "train.optimizer.weight_decay", || {
        format!("out of range (expected 0 or more, found {decay})")
    });
    if let Some(norm) = train.clip_norm {
        checks.above_zero("train.clip_norm", norm);
    }
    checks.at_least_if_set("train.checkpoint_steps", train.checkpoint_steps, 1);
    checks.one_of("train.early_stop.metric", &train.early_stop.metric, &METRICS);
    checks.at_least("train.early_stop.patience", train.early_stop.patience, 1);
}

fn decode(experiment: &Experiment, checks: &mut Checks) {
    let decode = &experiment.decode;
    checks.at_least("decode.beam", decode.beam, 1);
    checks.at_least("decode.batch_size", decode.batch_size, 1);
    checks.at_least_if_set("decode.max_length", decode.max_length, 1);
    let penalty = decode.length_penalty;
    checks.require(penalty >= 0.0, "decode.length_penalty", || {
        format!("out of range (expected 0 or more, found {penalty})")
    });
    checks.at_least("decode.comparison.neighbours", decode.comparison.neighbours, 1);
}

#[derive(Default)]
struct Checks(Vec<Invalid>);

impl Checks {
    fn require(&mut self, holds: bool, path: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push((path.into(), message()));
        }
    }

    fn at_least(&mut self, path: &str, value: usize, least: usize) {
        self.require(value >= least, path, || format!("too small (expected at least {least}, found {value})"));
    }

    fn at_least_if_set(&mut self, path: &str, value: Option<usize>, least: usize) {
        if let Some(value) = value {
            self.at_least(path, value, least);
        }
    }

    fn above_zero(&mut self, path: &str, value: f64) {
        self.require(value > 0.0, path, || format!("out of range (expected more than 0, found {value})"));
    }

    fn fraction(&mut self, path: &str, value: f64) {
        self.require((0.0..1.0).contains(&value), path, || {
            format!("out of range (expected at least 0 and below 1, found {value})")
        });
    }

    fn one_of(&mut self, path: &str, value: &str, valid: &[&str]) {
        self.require(valid.contains(&value), path, || {
            let near = suggest::nearest(value, valid.iter().copied())
                .map_or_else(String::new, |name| format!("; did you mean '{name}'?"));
            format!("unknown value (expected one of {}, found \"{value}\"){near}", valid.join(", "))
        });
    }
}

//! What types cannot say: ranges, names that must be known, settings that must fit each other.
//!
//! Files and folders are left to the commands, which know which of them they need.

use super::Invalid;
use super::schema::{DecodeMethod, Experiment, ModelConfig, PartConfig, ScheduleConfig, TrainConfig};
use crate::features::Kind;
use crate::models::cssa;
use crate::models::fe_lws::{self, Stack};
use crate::models::jtts;
use crate::models::s2cpnet;
use crate::util::suggest;

/// Scores by which training can stop, in the field's order.
pub const METRICS: [&str; 8] = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE_L", "CIDEr", "SPICE (native)"];

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
        ModelConfig::Cssa(config) => cssa(config, &mut checks),
        ModelConfig::Jtts(config) => jtts(experiment, config, &mut checks),
        ModelConfig::S2cpNet(config) => s2cpnet(experiment, config, &mut checks),
    }
    if let Some(stage) = &experiment.pretrain {
        let pretraining = experiment.model.pretraining();
        checks.require(pretraining.is_some(), "pretrain", || {
            "not for this model, which has no first training stage (expected nothing here)".into()
        });
        train("pretrain", stage, pretraining.map_or(&METRICS, |pretraining| pretraining.metrics), &mut checks);
    }
    train("train", &experiment.train, &METRICS, &mut checks);
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
        if let Some(tune) = &encoder.tune {
            checks.require(!tune.stages.is_empty(), &path("tune.stages"), || {
                "empty (expected stages such as layer4, or no 'tune')".into()
            });
            checks.require(experiment.model.features() == Kind::Grid, &path("tune"), || {
                "not for this model, which sees pooled features of frozen encoders (expected nothing here)".into()
            });
            checks.require(experiment.decode.method != DecodeMethod::Comparison, &path("tune"), || {
                "not with decode.method comparison, which compares cached features (expected nothing here)".into()
            });
        }
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

fn cssa(config: &cssa::Config, checks: &mut Checks) {
    let path = |field: &str| format!("model.cssa.{field}");
    for (field, count) in [
        ("width", config.width),
        ("heads", config.heads),
        ("inner", config.inner),
        ("encoder_layers", config.encoder_layers),
        ("decoder_layers", config.decoder_layers),
        ("geometry_hidden", config.geometry_hidden),
    ] {
        checks.at_least(&path(field), count, 1);
    }
    checks.require(config.width.is_multiple_of(config.heads.max(1)), &path("heads"), || {
        format!("not a divisor of the width (width {}, found {})", config.width, config.heads)
    });
    checks.at_least_if_set(&path("grid"), config.grid, 1);
    checks.fraction(&path("dropout"), config.dropout);
    let contrastive = &config.contrastive;
    checks.above_zero(&path("contrastive.temperature"), contrastive.temperature);
    let images = &config.augment.images;
    let text = &config.augment.text;
    for (field, value) in [
        ("exp_start", config.exp_start),
        ("contrastive.image_weight", contrastive.image_weight),
        ("contrastive.text_weight", contrastive.text_weight),
        ("augment.images.rotation", images.rotation),
        ("augment.images.scale", images.scale),
        ("augment.images.brightness", images.brightness),
        ("augment.images.contrast", images.contrast),
        ("augment.images.saturation", images.saturation),
        ("augment.images.hue", images.hue),
    ] {
        checks.require(value >= 0.0, &path(field), || format!("out of range (expected 0 or more, found {value})"));
    }
    for (field, value) in [
        ("contrastive.direction", contrastive.direction),
        ("augment.images.flip", images.flip),
        ("augment.text.other_caption", text.other_caption),
        ("augment.text.paraphrase", text.paraphrase),
        ("augment.text.synonyms", text.synonyms),
    ] {
        checks.require((0.0..=1.0).contains(&value), &path(field), || {
            format!("out of range (expected 0 to 1, found {value})")
        });
    }
    checks.fraction(&path("augment.images.crop"), images.crop);
}

fn jtts(experiment: &Experiment, config: &jtts::Config, checks: &mut Checks) {
    let path = |field: &str| format!("model.jtts.{field}");
    for (field, width) in [
        ("hidden", config.hidden),
        ("embedding", config.embedding),
        ("attribute_embedding", config.attribute_embedding),
        ("attention", config.attention),
        ("classifier.0", config.classifier[0]),
        ("classifier.1", config.classifier[1]),
    ] {
        checks.at_least(&path(field), width, 1);
    }
    checks.at_least_if_set(&path("grid"), config.grid, 1);
    for (field, value) in [("margin", config.margin), ("lambda", config.lambda), ("beta", config.beta)] {
        checks.above_zero(&path(field), value);
    }
    checks.fraction(&path("dropout"), config.dropout);
    let separate = config.attributes == jtts::Source::Separate;
    checks.require(!separate || experiment.pretrain.is_some(), &path("attributes"), || {
        "'separate' trains the classifier in a first stage (expected a 'pretrain' block)".into()
    });
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

/// Settings of a training stage, which stand under `stage`; `metrics`: what it can be stopped by.
fn train(stage: &str, train: &TrainConfig, metrics: &[&str], checks: &mut Checks) {
    let path = |field: &str| format!("{stage}.{field}");
    let optimizer = &train.optimizer;
    checks.at_least(&path("batch_size"), train.batch_size, 1);
    checks.at_least(&path("accumulate"), train.accumulate, 1);
    checks.at_least(&path("epochs"), train.epochs, 1);
    checks.above_zero(&path("optimizer.lr"), optimizer.lr);
    for (index, beta) in optimizer.betas.iter().enumerate() {
        checks.fraction(&path(&format!("optimizer.betas.{index}")), *beta);
    }
    checks.above_zero(&path("optimizer.eps"), optimizer.eps);
    let decay = optimizer.weight_decay;
    checks.require(decay >= 0.0, &path("optimizer.weight_decay"), || {
        format!("out of range (expected 0 or more, found {decay})")
    });
    schedule(stage, &train.schedule, metrics, checks);
    parts(stage, &train.parts, checks);
    checks.above_zero_if_set(&path("clip_value"), train.clip_value);
    checks.above_zero_if_set(&path("clip_norm"), train.clip_norm);
    checks.at_least_if_set(&path("checkpoint_steps"), train.checkpoint_steps, 1);
    checks.at_least_if_set(&path("log_steps"), train.log_steps, 1);
    checks.at_least_if_set(&path("bucket"), train.bucket, 1);
    checks.one_of(&path("early_stop.metric"), &train.early_stop.metric, metrics);
    checks.at_least(&path("early_stop.patience"), train.early_stop.patience, 1);
    for (index, metric) in train.keep_best.iter().enumerate() {
        checks.one_of(&path(&format!("keep_best.{index}")), metric, metrics);
    }
    checks.at_least(&path("early_stop.beam"), train.early_stop.beam, 1);
}

fn schedule(stage: &str, schedule: &ScheduleConfig, metrics: &[&str], checks: &mut Checks) {
    let path = |field: &str| format!("{stage}.schedule.{field}");
    match schedule {
        ScheduleConfig::Constant => {}
        ScheduleConfig::Noam(noam) => {
            checks.at_least(&path("noam.warmup"), noam.warmup, 1);
            checks.at_least(&path("noam.d_model"), noam.d_model, 1);
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
                format!("needs one of 'every' (epochs) and 'patience' (epochs), found {given} of them")
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
            format!("not the beginning of a parameter's name (expected for example l3 or gru.0, found \"{prefix}\")")
        });
        let before = parts.iter().take(index).position(|other| other.prefix == *prefix);
        checks.require(before.is_none(), &path("prefix"), || {
            format!("given twice ({stage}.parts.{} has \"{prefix}\" too)", before.unwrap_or_default())
        });
        checks.above_zero(&path("lr_scale"), part.lr_scale);
        checks.above_zero_if_set(&path("clip_value"), part.clip_value);
    }
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

    fn above_zero_if_set(&mut self, path: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.above_zero(path, value);
        }
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

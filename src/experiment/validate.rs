//! What types cannot say: ranges, names that must be known, settings that must fit each other.
//!
//! Files and folders are left to the commands, which know which of them they need.

use super::Experiment;
use crate::config::{Checks, Invalid};
use crate::decode::DecodeMethod;
use crate::models::encoders::Resize;
use crate::models::first_stage::{StageExamples, StageNeeds};
use crate::models::{FeatureKind, Surroundings};
use crate::train::{Examples, METRICS, TrainConfig};

/// Everything wrong with an experiment, by dotted path.
pub(super) fn validate(experiment: &Experiment) -> Vec<Invalid> {
    let mut checks = Checks::default();
    name(experiment, &mut checks);
    experiment.data.check(&mut checks);
    encoders(experiment, &mut checks);
    let around = Surroundings {
        encoders: experiment.encoders.len(),
        first_stage: experiment.first_stage.is_some(),
        max_length: experiment.data.vocabulary.max_length,
    };
    experiment.model.check(&around, &mut checks);
    if let Some(stage) = &experiment.first_stage {
        let needs = experiment.model.first_stage();
        checks.require(needs.is_some(), "first_stage", || {
            "not for this model, which has no first training stage (expected nothing here)".into()
        });
        first_stage(stage, needs.as_ref(), &mut checks);
        stage.check("first_stage", needs.map_or(&METRICS, |needs| needs.metrics), &mut checks);
    }
    experiment.train.check("train", &METRICS, &mut checks);
    if let Some(stage) = &experiment.reinforce {
        stage.check(&mut checks);
    }
    experiment.decode.check(&mut checks);
    checks.into_faults()
}

/// What a first stage has no use for.
fn first_stage(stage: &TrainConfig, needs: Option<&StageNeeds>, checks: &mut Checks) {
    checks.require(!stage.is_continued(), "first_stage.schedule.noam.continued", || {
        "not for the first stage, which has none before it (expected nothing here)".into()
    });
    let pairs = needs.is_some_and(|needs| matches!(needs.examples, StageExamples::Pairs(_)));
    checks.require(!(pairs && stage.examples == Examples::Images), "first_stage.examples", || {
        "not for this model, whose first stage learns from pairs (expected captions or one_caption, found images)"
            .into()
    });
}

/// The name becomes a folder below `runs/`.
fn name(experiment: &Experiment, checks: &mut Checks) {
    let name = &experiment.name;
    let parts_fit = name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let letters_fit = name.chars().all(|c| c.is_alphanumeric() || "/-_.+=,".contains(c));
    checks.require(parts_fit && letters_fit, "name", || {
        format!("not a valid run name (expected letters, digits and /-_.+=, for example fe_lws/ucm, found \"{name}\")")
    });
}

fn encoders(experiment: &Experiment, checks: &mut Checks) {
    checks.require(!experiment.encoders.is_empty(), "encoders", || "empty (expected at least one encoder)".into());
    for (index, encoder) in experiment.encoders.iter().enumerate() {
        let path = |field: &str| format!("encoders.{index}.{field}");
        checks
            .require(!encoder.name.is_empty(), &path("name"), || "empty (expected an encoder such as resnet50)".into());
        checks.require(!encoder.weights.is_empty(), &path("weights"), || {
            "empty (expected a training such as imagenet, a weight file, or 'random')".into()
        });
        if let Some(tune) = &encoder.tune {
            checks.require(!tune.stages.is_empty(), &path("tune.stages"), || {
                "empty (expected stages such as layer4, or no 'tune')".into()
            });
            checks.require(experiment.model.features() == FeatureKind::Grid, &path("tune"), || {
                "not for this model, which sees pooled features of frozen encoders (expected nothing here)".into()
            });
            checks.require(experiment.decode.method != DecodeMethod::Comparison, &path("tune"), || {
                "not with decode.method comparison, which compares cached features (expected nothing here)".into()
            });
        }
        checks.require(encoder.resize == Resize::Antialias || encoder.tune.is_some(), &path("resize"), || {
            "only for encoders that are trained with the model (expected antialias, or 'tune')".into()
        });
        let size = encoder.image_size;
        checks.require((32..=4096).contains(&size), &path("image_size"), || {
            format!("out of range (expected 32 to 4096 pixels, found {size})")
        });
    }
}

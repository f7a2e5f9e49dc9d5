//! Stand-ins for experiment files and training, so that tables are tested without either.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use anyhow::{Result, bail};
use rsic::cli::ReproduceArgs;
use rsic::eval::Scores;
use rsic::eval::memory::{Memory, Part};
use rsic::experiment::Experiment;
use rsic::experiments::runner::{Request, RunOutcome, Runner};
use rsic::runs::Environment;
use rsic::runs::result::{
    Baseline, CaptionRecord, CurveRecord, DecodingResult, EncoderUsed, ImageRecord, RunResult, Skipped,
};
use rsic::runs::{Explanation, StageScores};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An experiment on `datasets/<stem of the file>`, with the overrides laid on it; the file need not exist.
pub(crate) fn load(path: &Path, overrides: &[String]) -> Result<Experiment> {
    let dataset = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut value = json!({
        "name": dataset,
        "data": {"root": format!("datasets/{dataset}")},
        "encoders": [{"name": "resnet50", "weights": "random", "image_size": 224}],
        "model": {"fe_lws": {"stack": "lws", "layers": 3}},
        "train": {"epochs": 200},
    });
    for text in overrides {
        let (keys, new) = text.split_once('=').unwrap();
        let mut place = &mut value;
        for key in keys.split('.') {
            place = &mut place[key];
        }
        *place = serde_json::from_str(new).unwrap_or_else(|_| Value::String(new.into()));
    }
    Ok(serde_json::from_value(value)?)
}

/// Gives scores that depend on the model and the seed alone.
#[derive(Default)]
pub(crate) struct Fake {
    /// `folder-of-run/seed` of every call, in order.
    pub calls: Vec<String>,
    /// Runs whose folder contains this fail.
    pub fail: Option<String>,
    /// The run with this number, from 0, is interrupted.
    pub interrupt_at: Option<usize>,
    /// Where image files lie.
    pub images: PathBuf,
    /// Scores of word ids.
    pub on_ids: Scores,
    /// Replaces the first image's caption.
    pub caption: Option<String>,
    /// Results tell what is memory, and what is scored without a model.
    pub worth: bool,
}

impl Runner for Fake {
    fn run(&mut self, request: &Request) -> Result<RunOutcome> {
        let folder = request.folder.display().to_string();
        self.calls.push(folder.clone());
        if self.interrupt_at == Some(self.calls.len() - 1) {
            return Ok(RunOutcome::Interrupted);
        }
        if self.fail.as_ref().is_some_and(|part| folder.contains(part.as_str())) {
            bail!("the loss is not a number in epoch 3");
        }
        assert_eq!(request.experiment.train.seed, request.seed);
        Ok(RunOutcome::Finished(Box::new(self.result(request))))
    }
}

impl Fake {
    fn result(&self, request: &Request) -> RunResult {
        let base = if request.folder.to_string_lossy().contains("-ns-") { 0.70 } else { 0.75 };
        let base = base + request.seed as f64 * 0.01;
        let scores = |bonus: f64| {
            let value = |factor: f64| (base + bonus) * factor;
            Scores(vec![
                ("BLEU-4".into(), value(0.8)),
                ("METEOR (exact+stem)".into(), value(0.55)),
                ("ROUGE_L".into(), value(1.0)),
                ("CIDEr".into(), value(4.2)),
            ])
        };
        let decodings = request
            .decodings
            .iter()
            .enumerate()
            .map(|(index, decode)| DecodingResult {
                name: decode.label(),
                decode: decode.clone(),
                seconds: 3.0,
                unfinished: 0,
                scores: scores(index as f64 * 0.02),
                on_ids: self.on_ids.clone(),
                memory: self.worth.then(memory),
                signature: None,
                captions: (0..12)
                    .map(|image| CaptionRecord {
                        caption: match &self.caption {
                            Some(text) if image == 0 => text.clone(),
                            _ => format!("there are {} white airplanes near a grey terminal", image + index),
                        },
                        scores: Scores(vec![
                            ("BLEU-4".into(), f64::from(image as u32 % 5) * 0.2),
                            ("CIDEr".into(), f64::from((image as u32 * 7) % 12) * 0.4),
                        ]),
                        nouns: Vec::new(),
                        shown: Explanation::default(),
                    })
                    .collect(),
            })
            .collect();
        RunResult {
            experiment: request.id.into(),
            seed: request.seed,
            selected_by: "ROUGE_L".into(),
            best_epoch: 20,
            epochs: 28,
            seconds: 754.0,
            costs: BTreeMap::new(),
            device: "cpu".into(),
            environment: Environment {
                rsic: "0.1.0".into(),
                commit: "0123456789ab".into(),
                libtorch: "2.11.0".into(),
                rustc: "rustc 1.95.0".into(),
                cpu: "Test CPU".into(),
                cores: 2,
            },
            encoders: request
                .experiment
                .encoders
                .iter()
                .map(|encoder| EncoderUsed {
                    name: encoder.name.clone(),
                    weights: Path::new(&encoder.weights).file_name().unwrap().to_string_lossy().into_owned(),
                    sha256: (encoder.weights != "random").then(|| "1a2b3c4d5e6f".into()),
                })
                .collect(),
            curve: (1..=28)
                .map(|epoch| {
                    let x = f64::from(epoch);
                    let rise = base * (1.0 - (-x / 6.0).exp()) - (x - 20.0).abs() * 0.001;
                    CurveRecord {
                        terms: Scores::default(),
                        epoch: epoch as usize,
                        loss: Some(2.5 * (-x / 9.0).exp() + 0.4 + request.seed as f64 * 0.02),
                        validation: Scores(vec![("ROUGE_L".into(), rise)]),
                    }
                })
                .collect(),
            first_stage: Vec::new(),
            stage_scores: Some(StageScores {
                before: BTreeMap::from([("val".into(), Scores(vec![("R_mean".into(), 0.125)]))]),
                after: BTreeMap::from([("val".into(), Scores(vec![("R_mean".into(), 0.75)]))]),
            }),
            images: (0..12)
                .map(|image| ImageRecord {
                    name: format!("{image}.png"),
                    path: self.images.join(format!("{image}.png")),
                    references: vec![
                        format!("{image} airplanes stand at the terminal"),
                        "some airplanes <parked> & waiting".into(),
                        "some airplanes <parked> & waiting".into(),
                    ],
                    mask: None,
                })
                .collect(),
            skipped: if request.seed == 2 {
                vec![Skipped { image: "99.png".into(), reason: "the file is empty".into() }]
            } else {
                Vec::new()
            },
            decodings,
            baselines: if self.worth {
                vec![baseline("nearest image", 0.5), baseline("consensus", 0.25)]
            } else {
                vec![]
            },
        }
    }
}

fn memory() -> Memory {
    let part = |images, cider| Part { images, scores: Scores(vec![("CIDEr".into(), cider)]) };
    let (seen, unseen) = (part(8, 2.0), part(4, 1.0));
    Memory { seen, unseen, all_seen: 2, copies: 3, distinct: 9, words: 20, training_words: 40 }
}

fn baseline(name: &str, cider: f64) -> Baseline {
    let scores = Scores(vec![("CIDEr".into(), cider)]);
    Baseline { name: name.into(), scores, memory: Some(memory()), signature: Some("rsic:test".into()) }
}

/// Arguments as after `rsic reproduce <table>`, with runs under `output`.
pub(crate) fn arguments(table: &Path, output: &Path) -> ReproduceArgs {
    ReproduceArgs {
        tables: vec![table.display().to_string()],
        paper: vec!["fe_lws".into()],
        datasets: Vec::new(),
        weights: Vec::new(),
        encoder: Vec::new(),
        seeds: Vec::new(),
        rows: Vec::new(),
        overrides: Vec::new(),
        output: output.to_path_buf(),
        experiments: "experiments".into(),
        dry_run: false,
    }
}

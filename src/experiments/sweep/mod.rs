//! A sweep: one experiment under many settings, in the vocabulary of Weights & Biases (`method`, `parameters`,
//! `metric`).

mod expand;
mod standing;

pub use standing::{Standing, Standings};

use super::plan::{Load, Plan, PlannedRun};
use crate::config::{self, Invalid, Settings};
use crate::train::METRICS;
use crate::util::suggest;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One sweep file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Names the folder of its runs, `<output>/sweeps/<name>`.
    pub name: String,
    /// Experiment that the parameters change; relative to the sweep file.
    pub experiment: PathBuf,
    #[serde(default)]
    pub method: Method,
    /// By which score of the validation split the runs are ranked.
    pub metric: Metric,
    /// What is varied, by dotted path.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// The runs of `method: list`, each its own settings beside the parameters of one value.
    #[serde(default)]
    pub runs: Vec<BTreeMap<String, Value>>,
    /// Seeds of each run.
    #[serde(default = "Sweep::default_seeds")]
    pub seeds: Vec<u64>,
    /// Of `random`: how many runs are drawn.
    #[serde(default)]
    pub run_cap: Option<usize>,
    /// Of `random`: what they are drawn from.
    #[serde(default = "Sweep::default_seed")]
    pub seed: u64,
}

/// How settings are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Every combination of the parameters' values; the last parameter by name varies fastest.
    #[default]
    Grid,
    /// The settings under `runs`, in their order.
    List,
    /// `run_cap` combinations, drawn without repetition.
    Random,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    pub name: String,
    #[serde(default)]
    pub goal: Goal,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    #[default]
    Maximize,
    Minimize,
}

/// The values of a setting: `{values: [1, 2]}` or `{value: 1}`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameter {
    pub values: Vec<Value>,
    pub value: Option<Value>,
}

/// A sweep as runs. `settings[i]` is what run `i` of the plan changes, by dotted path.
#[derive(Debug, Clone)]
pub struct PlannedSweep {
    pub sweep: Sweep,
    pub plan: Plan,
    pub settings: Vec<BTreeMap<String, String>>,
    /// Folder of all its runs.
    pub folder: PathBuf,
}

impl Sweep {
    fn default_seeds() -> Vec<u64> {
        vec![1]
    }

    fn default_seed() -> u64 {
        1
    }

    /// Reads and checks a sweep file; every fault is named with line and column.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(config::load(path, &[])?.0)
    }
}

impl Settings for Sweep {
    const NAME: &'static str = "sweep";

    fn invalid(&self) -> Vec<Invalid> {
        let mut faults = Vec::new();
        let mut fault = |path: &str, message: String| faults.push((path.to_owned(), message));
        if self.name.is_empty() || !self.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            fault(
                "name",
                format!(
                    "used as a folder name: only letters, digits, '-', '_' and '.' are allowed (found \"{}\")",
                    self.name
                ),
            );
        }
        if !METRICS.contains(&self.metric.name.as_str()) {
            let hint = suggest::hint(&self.metric.name, METRICS);
            fault("metric.name", format!("unknown score \"{}\"{hint}", self.metric.name));
        }
        if self.seeds.is_empty() {
            fault("seeds", "empty (expected at least one seed)".into());
        }
        for (name, parameter) in &self.parameters {
            if parameter.values.is_empty() == parameter.value.is_none() {
                fault(&format!("parameters.{name}"), "needs one of 'value' and 'values'".into());
            }
            if self.method == Method::List && !parameter.values.is_empty() {
                fault(
                    &format!("parameters.{name}.values"),
                    "several values, which method 'list' cannot combine; give it one 'value'".into(),
                );
            }
            if name == "train.seed" {
                fault("parameters.train.seed", "cannot be a sweep parameter: use 'seeds'".into());
            }
        }
        match self.method {
            Method::List if self.runs.is_empty() => {
                fault("runs", "empty (method 'list' takes its runs from here)".into())
            }
            Method::Grid | Method::Random if !self.runs.is_empty() => {
                fault("runs", "belongs to method 'list'".into());
            }
            _ => {}
        }
        if (self.method == Method::Random) != self.run_cap.is_some_and(|cap| cap > 0) {
            fault("run_cap", "belongs to method 'random', which needs at least 1".into());
        }
        faults
    }
}

impl PlannedSweep {
    /// The runs of a sweep file. `overrides` change every run.
    pub fn new(path: &Path, output: &Path, overrides: &[String], load: &Load) -> Result<Self> {
        let sweep = Sweep::load(path)?;
        let base = path.parent().unwrap_or(Path::new("")).join(&sweep.experiment);
        let folder = output.join("sweeps").join(&sweep.name);
        let settings = sweep.expand()?;
        let mut runs: Vec<PlannedRun> = Vec::with_capacity(settings.len());
        for (index, settings) in settings.iter().enumerate() {
            let mut all: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
            all.extend(overrides.iter().cloned());
            let number = number(index);
            let mut experiment = load(&base, &all).with_context(|| format!("run {number} of '{}'", path.display()))?;
            experiment.name = format!("{}/{number}", sweep.name);
            let id = experiment.identity()?;
            if let Some(same) = runs.iter().position(|run| run.id == id) {
                bail!("runs {} and {number} of '{}' have the same settings", self::number(same), path.display());
            }
            runs.push(PlannedRun {
                id,
                decodings: vec![experiment.decode.clone()],
                experiment,
                folder: folder.join(number),
                seeds: sweep.seeds.clone(),
                missing: Vec::new(),
            });
        }
        Ok(Self { plan: Plan { tables: Vec::new(), runs }, sweep, settings, folder })
    }

    /// Runs and seeds in their order: what a job array counts through, from 0.
    pub fn tasks(&self) -> Vec<(usize, u64)> {
        let runs = self.plan.runs.iter().enumerate();
        runs.flat_map(|(index, run)| run.seeds.iter().map(move |&seed| (index, seed))).collect()
    }

    /// Leaves one task alone.
    pub fn keep(&mut self, task: usize) -> Result<()> {
        let tasks = self.tasks();
        let Some(&(index, seed)) = tasks.get(task) else {
            bail!("task {task} does not exist; '{}' has {} (0 to {})", self.sweep.name, tasks.len(), tasks.len() - 1);
        };
        for (other, run) in self.plan.runs.iter_mut().enumerate() {
            run.seeds.retain(|&s| other == index && s == seed);
        }
        Ok(())
    }
}

/// What a run is called: `0001` first.
pub fn number(index: usize) -> String {
    format!("{:04}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Sweep> {
        let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        std::fs::write(file.path(), text).unwrap();
        Sweep::load(file.path())
    }

    #[test]
    fn every_fault_is_named_at_once_with_its_place() {
        let text = "name: a b\nexperiment: e.yaml\nmethod: random\nmetric: {name: Cider}\nparameters:\n  x: {}\n";
        let error = format!("{:#}", load(text).unwrap_err());
        for part in ["name", "did you mean 'CIDEr'?", "parameters.x", "run_cap", ":4:"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn three_faults_have_three_places() {
        let text = "name: s\nexperiment: e.yaml\nmetric: {name: CIDEr}\nseeds: [one]\nparameters:\n  \
                    model.fe_lws.layers: {valus: [1]}\n  train.batch_size: {}\n";
        let error = format!("{:#}", load(text).unwrap_err());
        assert!(error.starts_with("3 faults in the sweep\n"), "{error}");
        for part in [":4:9: seeds.0: ", ":6:25: parameters.model.fe_lws.layers.valus: ", ":7:21: parameters.train."] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_list_takes_one_value_of_each_parameter() {
        let text = "name: s\nexperiment: e.yaml\nmethod: list\nmetric: {name: CIDEr}\n\
                    parameters: {a.b: {values: [1, 2]}}\nruns: [{c: 1}]\n";
        let error = format!("{:#}", load(text).unwrap_err());
        assert!(error.contains(":5:28: parameters.a.b.values: several values"), "{error}");
    }

    #[test]
    fn a_misspelt_key_gets_its_nearest_name() {
        let error = format!("{:#}", load("name: a\nexperiment: e\nmetod: grid\nmetric: {name: CIDEr}\n").unwrap_err());
        assert!(error.contains("metod") && error.contains("method"), "{error}");
    }
}

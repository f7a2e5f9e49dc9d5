//! The published row that an experiment stands for.

use super::catalog;
use super::encoders::Sources;
use super::plan::{Load, Options, Plan};
use crate::decode::DecodeConfig;
use crate::experiment::Experiment;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A row of a published table, and in what an experiment differs from the one that regenerates it.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedRow {
    /// `fe_lws table XI, FE-LWS`; rows of equal numbers and settings joined by ` = `.
    pub name: String,
    pub numbers: BTreeMap<String, Option<f64>>,
    /// Settings that differ, each as `train.epochs 3 (published with 200)`.
    pub differences: Vec<String>,
}

/// The row of the paper of the experiment's model, on the same dataset and with the same model, that the experiment
/// comes nearest to; `None` where no table has one, or where there are no tables in `experiments`.
pub fn published_row(experiment: &Experiment, experiments: &Path, load: &Load) -> Result<Option<PublishedRow>> {
    let paper = experiment.model.key();
    if !experiments.join(paper).is_dir() {
        return Ok(None);
    }
    let options =
        Options { sources: Sources::new(&[], &[])?, seeds: Vec::new(), overrides: Vec::new(), output: "runs".into() };
    let plan = Plan::new(catalog::of_paper(experiments, paper)?, &options, load)?;
    let ours = settings(experiment)?;
    let mut best: Option<(usize, PublishedRow)> = None;
    for planned in &plan.tables {
        for (row, place) in planned.table.rows.iter().zip(&planned.rows) {
            let Some(run) = place.run.and_then(|index| plan.runs.get(index)) else { continue };
            let theirs = settings(&run.experiment)?;
            let same = |key: &str| ours.get(key) == theirs.get(key);
            if row.published.values().all(Option::is_none) || !same("data.root") || !same_model(&ours, &theirs) {
                continue;
            }
            let differences = differences(&ours, &theirs);
            let name = format!("{paper} table {}, {}", planned.table.table, row.method);
            // A row whose encoders are a table's own subject is further off than one of the experiment's own.
            let own = row.run.as_ref().is_some_and(|run| run.encoders.is_empty());
            let distance = 2 * differences.len() + usize::from(!own && !differences.is_empty());
            match &mut best {
                Some((nearest, known)) if *nearest == distance && known.numbers == row.published => {
                    known.name = format!("{} = {name}", known.name);
                }
                Some((nearest, _)) if *nearest <= distance => {}
                _ => best = Some((distance, PublishedRow { name, numbers: row.published.clone(), differences })),
            }
        }
    }
    Ok(best.map(|(_, row)| row))
}

/// The settings that decide a training, by dotted path. Where data and weights lie decides nothing.
fn settings(experiment: &Experiment) -> Result<BTreeMap<String, Value>> {
    let mut trained = experiment.clone();
    trained.name.clear();
    trained.train.seed = 0;
    trained.decode = DecodeConfig::default();
    trained.data.root = trained.data.root.file_name().unwrap_or_default().into();
    for encoder in &mut trained.encoders {
        encoder.weights.clear();
    }
    let mut flat = BTreeMap::new();
    flatten("", &serde_json::to_value(&trained).context("cannot write an experiment as JSON")?, &mut flat);
    let names: Vec<&str> = trained.encoders.iter().map(|encoder| encoder.name.as_str()).collect();
    flat.retain(|key, _| !key.starts_with("encoders."));
    flat.insert("encoders".into(), names.join(" + ").into());
    for (index, encoder) in trained.encoders.iter().enumerate() {
        flat.insert(format!("encoders.{index}.image_size"), encoder.image_size.into());
        flat.insert(format!("encoders.{index}.tune"), serde_json::to_value(&encoder.tune)?);
    }
    Ok(flat)
}

fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| flatten(&below(key), value, flat)),
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(index, value)| flatten(&below(&index.to_string()), value, flat));
        }
        value => _ = flat.insert(path.to_owned(), value.clone()),
    }
}

fn same_model(ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) -> bool {
    let model = |settings: &BTreeMap<String, Value>| -> Vec<(String, Value)> {
        settings.iter().filter(|(key, _)| key.starts_with("model.")).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    model(ours) == model(theirs)
}

fn differences(ours: &BTreeMap<String, Value>, theirs: &BTreeMap<String, Value>) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let shown = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "nothing".into(),
    };
    // Of other encoders, settings of their own are no difference more.
    let swapped = ours.get("encoders") != theirs.get("encoders");
    let pairs = keys.into_iter().map(|key| (key, ours.get(key), theirs.get(key)));
    pairs
        .filter(|(key, ours, theirs)| ours != theirs && !(swapped && key.starts_with("encoders.")))
        .map(|(key, ours, theirs)| format!("{key} {} (published with {})", shown(ours), shown(theirs)))
        .collect()
}

//! How the settings of a run differ from those that it is to be continued with.

use crate::util::json;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Settings of a training stage that change how long is trained, and what is kept and told of it: a run may be
/// continued with others, as it may with another decoding.
const PROLONGING: [&str; 6] =
    ["epochs", "early_stop.patience", "log_steps", "checkpoint_steps", "keep_best", "keep_last"];

/// Refuses to continue a run with settings other than those it was started with, naming each with both values, unless
/// they only prolong it.
pub(super) fn check_settings(folder: &Path, old: &str, new: &str) -> Result<()> {
    let read = |text: &str| -> Result<Value> {
        serde_yaml::from_str(text)
            .map_err(json::error)
            .with_context(|| format!("the settings in '{}' cannot be read", folder.display()))
    };
    let (old, new) = (read(old)?, read(new)?);
    // The end of a cosine is a part of what every step of its stage learns.
    let ends = |stage: &str| {
        let stage = stage.split('.').try_fold(&new, |settings, step| settings.get(step));
        stage.and_then(|stage| stage.get("schedule")).is_some_and(|schedule| *schedule == "cosine")
    };
    // A stage may be added behind those that a run has.
    let added = |path: &str| path.starts_with("reinforce.") && old.get("reinforce").is_none();
    let allowed = |path: &str| added(path) || prolongs(path) && !path.strip_suffix(".epochs").is_some_and(ends);
    let all: Vec<String> = changes(&old, &new).into_iter().filter(|(path, ..)| !allowed(path)).map(describe).collect();
    if !all.is_empty() {
        bail!(
            "'{}' contains a run with other settings: {}; give the same, choose another folder with --output, or \
             replace the run with --overwrite",
            folder.display(),
            all.join(", ")
        );
    }
    Ok(())
}

fn prolongs(path: &str) -> bool {
    match path.split_once('.') {
        Some(("decode", _)) => true,
        None | Some(("data" | "encoders" | "model", _)) => false,
        Some((stage, setting)) => {
            let setting = if stage == "reinforce" { setting.strip_prefix("train.") } else { Some(setting) };
            let is = |known: &&str| setting?.strip_prefix(*known).map(|rest| rest.is_empty() || rest.starts_with('.'));
            PROLONGING.iter().any(|known| is(known) == Some(true))
        }
    }
}

/// Path, old and new value of every setting that differs; `None` where it is not set.
fn changes(old: &Value, new: &Value) -> Vec<(String, Option<String>, Option<String>)> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(old, "", &mut before);
    leaves(new, "", &mut after);
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |path: &&String| (path.to_string(), before.get(*path).cloned(), after.get(*path).cloned());
    paths.iter().map(change).filter(|(_, old, new)| old != new).collect()
}

fn leaves(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) if !map.is_empty() => map.iter().for_each(|(key, value)| leaves(value, &below(key), found)),
        Value::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => {
            (0..).zip(list).for_each(|(index, item): (usize, _)| leaves(item, &below(&index.to_string()), found));
        }
        Value::String(text) => drop(found.insert(path.to_owned(), text.clone())),
        Value::Null => {}
        value => drop(found.insert(path.to_owned(), value.to_string())),
    }
}

fn describe((path, old, new): (String, Option<String>, Option<String>)) -> String {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "not set".into());
    format!("{path} is {} (the run has {})", shown(new), shown(old))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
name: a
train:
  epochs: 3
  seed: 1
  early_stop:
    patience: 2
  clip_norm: 5
encoders:
- kind: resnet50
  image_size: 224
decode:
  beam: 3
";

    fn check(new: &str) -> Result<()> {
        check_settings(Path::new("runs/a"), OLD, new)
    }

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let new = OLD.replace("seed: 1", "seed: 2").replace("  clip_norm: 5\n", "").replace("224", "256");
        let text = check(&new).unwrap_err().to_string();
        for part in [
            "'runs/a' contains a run with other settings: ",
            "encoders.0.image_size is 256 (the run has 224)",
            "train.seed is 2 (the run has 1)",
            "train.clip_norm is not set (the run has 5)",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn a_run_may_be_prolonged_and_decoded_otherwise() {
        let longer =
            OLD.replace("epochs: 3", "epochs: 9").replace("patience: 2", "patience: 7").replace("beam: 3", "beam: 5");
        check(&longer).unwrap();
        let cosine = longer.replace("  seed: 1", "  seed: 1\n  schedule: cosine");
        assert!(check(&cosine).unwrap_err().to_string().contains("train.epochs is 9"));
        let stage = |epochs: usize| format!("{OLD}first_stage:\n  epochs: {epochs}\n  schedule: cosine\n");
        let refused = check_settings(Path::new("runs/a"), &stage(2), &stage(4)).unwrap_err().to_string();
        assert!(refused.contains("first_stage.epochs is 4 (the run has 2)"), "{refused}");
        let reinforced = |samples: usize, epochs: usize| {
            format!("{OLD}reinforce:\n  samples: {samples}\n  train:\n    epochs: {epochs}\n")
        };
        check(&reinforced(5, 2)).unwrap();
        check_settings(Path::new("runs/a"), &reinforced(5, 2), &reinforced(5, 4)).unwrap();
        let refused = check_settings(Path::new("runs/a"), &reinforced(5, 2), &reinforced(3, 2)).unwrap_err();
        assert!(refused.to_string().contains("reinforce.samples is 3 (the run has 5)"), "{refused}");
    }
}

//! Dotted `key=value` settings that change an experiment from the command line.

use super::errors::Fault;
use super::parse::parse;
use super::sources::Sources;
use super::tree::{Node, Place};
use serde_json::Value;

/// A value as the right side of an override: text as it is, anything else as JSON (which is YAML too).
pub fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Lays the overrides on the tree in their order. The value is YAML; an empty one is null, which unsets an optional
/// setting.
pub(super) fn apply(tree: &mut Node, overrides: &[String], sources: &mut Sources, faults: &mut Vec<Fault>) {
    for text in overrides {
        let source = sources.add(text.clone(), text.clone(), true);
        let place = Place { source, line: 1, column: 1, width: 1 };
        let fault = |path: &str, message: String| Fault { place: Some(place), path: path.into(), message };
        let Some((key, value)) = text.split_once('=') else {
            faults.push(fault("", "no '='; write key=value, for example train.seed=2".into()));
            continue;
        };
        let key = &sources.present_name(key.trim(), place);
        let path: Vec<String> = key.split('.').map(String::from).collect();
        if path.iter().any(String::is_empty) {
            faults.push(fault("", format!("'{key}' is not a dotted key, e.g. train.seed")));
            continue;
        }
        let (node, value_faults) = parse(value, source);
        match (node, value_faults.first()) {
            (Some(mut node), None) => {
                sources.rename(&mut node, key, faults);
                if let Err(message) = tree.set(&path, place, node) {
                    faults.push(fault(key, message));
                }
            }
            (_, Some(first)) => faults.push(fault(key, first.message.clone())),
            (None, None) => {}
        }
    }
}

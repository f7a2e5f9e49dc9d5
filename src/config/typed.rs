//! A tree of YAML -> a typed value, with every fault found in one go.
//!
//! serde stops at the first fault. Here the fault is noted, the offending value is taken out or replaced by a stand-in,
//! and serde tries again, until it has nothing left to say.

use super::errors::Fault;
use super::problem::{Problem, ProblemKind};
use super::tree::{Node, NodeKind, json_at, json_map};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What typing gave. `value` holds stand-ins where there were faults, and is absent where no stand-in helped.
pub(super) struct Typed<T> {
    pub value: Option<T>,
    pub faults: Vec<Fault>,
    /// Paths of the stand-ins: what stands there is not the user's.
    pub stand_ins: Vec<Vec<String>>,
}

/// Types a tree.
pub(super) fn typed<T: DeserializeOwned>(tree: &Node) -> Typed<T> {
    let mut json = tree.to_json();
    let mut result = Typed { value: None, faults: Vec::new(), stand_ins: Vec::new() };
    let mut made_text: Vec<Vec<String>> = Vec::new();
    loop {
        let problem = match attempt::<T>(&json) {
            Ok(value) => {
                result.value = Some(value);
                return result;
            }
            Err(problem) => problem,
        };
        if problem.wants_text()
            && !made_text.contains(&problem.path)
            && let Some(NodeKind::Scalar(Value::Number(_) | Value::Bool(_), written)) =
                tree.get(&problem.path).map(|node| &node.kind)
            && let Some(value) = json_at(&mut json, &problem.path)
        {
            *value = Value::String(written.clone());
            made_text.push(problem.path);
            continue;
        }
        if !result.stand_ins.iter().any(|known| problem.path.starts_with(known)) {
            result.faults.push(fault(tree, &problem));
        }
        match repaired::<T>(&json, &problem) {
            Some(better) => json = better,
            None => return result,
        }
        result.stand_ins.push(problem.path);
    }
}

fn attempt<T: DeserializeOwned>(json: &Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(json)
        .map_err(|error| Problem::read(&error.path().clone(), &error.into_inner().to_string()))
}

fn fault(tree: &Node, problem: &Problem) -> Fault {
    let parents = problem.path.split_last().map_or(&[][..], |(_, parents)| parents);
    let node = tree.get(&problem.path);
    let place = match problem.kind {
        ProblemKind::UnknownKey { .. } => tree.place_of(&problem.path),
        ProblemKind::MissingKey => tree.place_of(parents),
        _ => node.map(|node| node.place).or_else(|| tree.place_of(parents)),
    };
    let found = node.map(Node::describe);
    Fault { place: place.or(Some(tree.place)), path: problem.path.join("."), message: problem.describe(found) }
}

/// The values with the problem taken out or a stand-in put in its place: the first that moves the complaint elsewhere.
fn repaired<T: DeserializeOwned>(json: &Value, problem: &Problem) -> Option<Value> {
    let (last, parents) = problem.path.split_last()?;
    let mut tries = words(&problem.kind);
    tries.extend([Try::Remove, Try::Put(json!("?"))]);
    tries.extend([json!(1), json!(false), json!({}), json!([]), json!([1, 1])].map(Try::Put));
    let mut next = 0;
    while let Some(attempted) = tries.get(next).cloned() {
        next += 1;
        let mut candidate = json.clone();
        match attempted {
            Try::Remove => {
                let map = json_at(&mut candidate, parents).and_then(Value::as_object_mut);
                if map.and_then(|map| map.shift_remove(last)).is_none() {
                    continue;
                }
            }
            Try::Put(stand_in) => match json_at(&mut candidate, &problem.path) {
                Some(value) => *value = stand_in,
                None => {
                    json_map(&mut candidate, parents)?.insert(last.clone(), stand_in);
                }
            },
        }
        match attempt::<T>(&candidate) {
            Err(same) if same.path == problem.path => {
                // A word was wanted all along: now its choices are known.
                let known = words(&same.kind).into_iter().filter(|word| !tries.contains(word)).collect::<Vec<_>>();
                tries.extend(known);
            }
            // Inside a stand-in only the absence of more is no fault of the stand-in itself.
            Err(inside) if inside.path.starts_with(&problem.path) && inside.kind != ProblemKind::MissingKey => {}
            _ => return Some(candidate),
        }
    }
    None
}

#[derive(Clone, PartialEq)]
enum Try {
    Remove,
    Put(Value),
}

/// Stand-ins for a choice: its first word, alone and as the key of a map.
fn words(kind: &ProblemKind) -> Vec<Try> {
    match kind {
        ProblemKind::UnknownWord { valid, .. } => {
            valid.first().map(|word| vec![Try::Put(json!(word)), Try::Put(json!({ word: {} }))]).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        #[allow(dead_code)]
        Simple(Simple),
        Other(Other),
    }

    #[derive(Debug, Deserialize)]
    struct Simple {
        #[allow(dead_code)]
        size: usize,
    }

    #[derive(Debug, Deserialize)]
    struct Other {
        depth: usize,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Fast,
        Slow,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        rate: f64,
        pair: [f64; 2],
        word: Word,
        #[serde(default)]
        count: usize,
        choice: Choice,
        parts: Vec<Part>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        file: std::path::PathBuf,
    }

    const GOOD: &str =
        "name: 2024\nrate: 1\npair: [1, 2]\nword: slow\nchoice: {other: {depth: 3}}\nparts: [{file: 7.50}]";

    fn faults(text: &str) -> Vec<String> {
        let typed = typed::<Settings>(&parse(text, 0).0.unwrap());
        assert!(typed.value.is_some(), "{:?}", typed.faults);
        let line = |fault: &Fault| format!("{} {}: {}", fault.place.unwrap().line, fault.path, fault.message);
        typed.faults.iter().map(line).collect()
    }

    #[test]
    fn unquoted_numbers_are_text_where_text_is_wanted() {
        let typed = typed::<Settings>(&parse(GOOD, 0).0.unwrap());
        let value = typed.value.unwrap();
        assert!(typed.faults.is_empty());
        assert_eq!((value.name.as_str(), value.parts[0].file.to_str()), ("2024", Some("7.50")));
        assert!(matches!((value.choice, value.word), (Choice::Other(Other { depth: 3 }), Word::Slow)));
        assert_eq!((value.rate, value.pair, value.count), (1.0, [1.0, 2.0], 0));
    }

    #[test]
    fn one_pass_finds_every_fault() {
        let text = "nam: x\nrate: fast\npair: [1, a]\nword: fats\ncount: -1\nchoice: {smple: {}}\nparts: [{fil: a}, 3]";
        let expected = [
            "1 nam: unknown setting; did you mean 'name'?",
            "2 rate: wrong value (expected a number, found \"fast\")",
            "3 pair.1: wrong value (expected a number, found \"a\")",
            "4 word: unknown value (expected fast or slow, found \"fats\"); did you mean 'fast'?",
            "5 count: wrong value (expected a whole number that is not negative, found -1)",
            "6 choice: unknown value (expected simple or other, found \"smple\"); did you mean 'simple'?",
            "7 parts.0.fil: unknown setting; did you mean 'file'?",
            "7 parts.0.file: missing; this setting has no default",
            "7 parts.1: wrong value (expected a map of settings, found 3)",
            "1 name: missing; this setting has no default",
        ];
        let mut found = faults(text);
        let mut expected: Vec<String> = expected.map(String::from).to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_list_of_the_wrong_length_a_null_and_a_missing_part_are_named() {
        let text = GOOD.replace("[1, 2]", "[1]").replace("rate: 1", "rate:").replace("{depth: 3}", "{}");
        let expected = [
            "2 rate: wrong value (expected a number, found nothing)",
            "3 pair: wrong length (expected a list of 2, found 1)",
            "5 choice.other.depth: missing; this setting has no default",
        ];
        assert_eq!(faults(&text), expected);
    }
}

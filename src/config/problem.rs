//! serde's errors in the user's words: which setting, what was expected, what was found.

use crate::util::suggest;
use serde_path_to_error::{Path, Segment};

/// One refusal by serde.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// The setting it is about.
    pub path: Vec<String>,
    pub kind: ProblemKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ProblemKind {
    UnknownKey {
        valid: Vec<String>,
    },
    MissingKey,
    UnknownWord {
        found: String,
        valid: Vec<String>,
    },
    /// What serde said was expected, in its words.
    WrongValue {
        expected: String,
    },
    WrongLength {
        expected: String,
        found: String,
    },
    Other(String),
}

impl Problem {
    /// Reads serde's message; `path` is where serde was when it failed.
    pub(super) fn read(path: &Path, message: &str) -> Self {
        let mut path = steps(path);
        let names = quoted(message);
        let first = names.first().cloned().unwrap_or_default();
        let others = || names.iter().skip(1).cloned().collect();
        let kind = if message.starts_with("unknown field") {
            if path.last() != Some(&first) {
                path.push(first.clone());
            }
            ProblemKind::UnknownKey { valid: others() }
        } else if message.starts_with("missing field") {
            path.push(first.clone());
            ProblemKind::MissingKey
        } else if message.starts_with("unknown variant") {
            // serde's path may end with the unknown word itself where it was a map key.
            ProblemKind::UnknownWord { found: first, valid: others() }
        } else if let Some((start, expected)) = message.split_once(", expected ") {
            let expected = expected.to_string();
            match start.strip_prefix("invalid length ") {
                Some(found) => ProblemKind::WrongLength { expected, found: found.into() },
                None => ProblemKind::WrongValue { expected },
            }
        } else {
            ProblemKind::Other(message.into())
        };
        Self { path, kind }
    }

    /// Whether text was wanted, so that an unquoted number may stand for its digits.
    pub(super) fn wants_text(&self) -> bool {
        matches!(&self.kind, ProblemKind::WrongValue { expected }
            if expected == "a string" || expected == "path string")
    }

    /// The sentence after the path; `found` describes what stands there.
    pub(super) fn describe(&self, found: Option<String>) -> String {
        let name = self.path.last().map_or("", String::as_str);
        match &self.kind {
            ProblemKind::UnknownKey { valid } if valid.is_empty() => "unknown setting".into(),
            ProblemKind::UnknownKey { valid } => {
                format!("unknown setting{}", suggest::hint(name, valid.iter().map(String::as_str)))
            }
            ProblemKind::MissingKey => "missing; this setting has no default".into(),
            ProblemKind::UnknownWord { found, valid } => {
                let hint = match suggest::nearest(found, valid.iter().map(String::as_str)) {
                    Some(near) => format!("; did you mean '{near}'?"),
                    None => String::new(),
                };
                format!("unknown value (expected {}, found \"{found}\"){hint}", alternatives(valid))
            }
            ProblemKind::WrongValue { expected } => {
                let found = found.unwrap_or_else(|| "nothing".into());
                format!("wrong value (expected {}, found {found})", plain_words(expected))
            }
            ProblemKind::WrongLength { expected, found } => {
                format!("wrong length (expected {}, found {found})", plain_words(expected))
            }
            ProblemKind::Other(message) => message.clone(),
        }
    }
}

fn steps(path: &Path) -> Vec<String> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { variant } => Some(variant.clone()),
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Unknown => None,
        })
        .collect()
}

/// The words that serde puts between backticks.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(String::from).collect()
}

fn alternatives(valid: &[String]) -> String {
    match valid.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".into(),
    }
}

/// serde's names of types in words of a configuration file.
fn plain_words(expected: &str) -> String {
    match expected {
        "f64" | "f32" => "a number".into(),
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number that is not negative".into(),
        "isize" | "i64" | "i32" => "a whole number".into(),
        "a string" | "string" | "string or map" => "text".into(),
        "path string" => "a path".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "a map".into(),
        "map with a single key" => "a map with one key".into(),
        "newtype variant" => "a map of settings".into(),
        other if other.starts_with("struct ") => "a map of settings".into(),
        other if other.starts_with("enum ") => "a map with one key".into(),
        other => match other.strip_prefix("an array of length ") {
            Some(length) => format!("a list of {length}"),
            None => other.into(),
        },
    }
}

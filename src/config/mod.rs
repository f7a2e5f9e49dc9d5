//! Configuration files: YAML -> typed -> validated settings of any kind.
//!
//! A file may build on others (`base: other.yaml` or a list, relative to the file): maps merge key by key, lists and
//! single values replace, and another model replaces the base's model. `key=value` overrides lie on top. Everything
//! wrong is reported at once, each fault with the file, line and column where it was written, or the override.

mod checks;
mod emit;
mod errors;
mod overrides;
mod parse;
mod problem;
mod renamed;
mod sources;
mod tree;
mod typed;

pub use checks::{Checks, LONGEST_CAPTION};
pub use errors::ConfigError;
pub use overrides::value_text;
pub use renamed::Renamed;

use anyhow::Result;
use errors::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sources::Sources;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    File { path: PathBuf, line: usize },
    Override,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Override => f.write_str("override"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Origins by dotted path (`encoders.0.weights`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// The origin of a setting; one that nothing gave has its default.
    pub fn of(&self, path: &str) -> Origin {
        self.0.get(path).cloned().unwrap_or(Origin::Default)
    }
}

/// Settings as YAML that [`load`] reads back to equal ones.
///
/// Use this and not serde_yaml, which would write enums as YAML tags.
pub fn to_yaml(settings: &impl Serialize) -> Result<String> {
    emit::plain(&serde_json::to_value(settings)?)
}

/// Settings as YAML, with the origin of each value as a comment at the end of its line.
pub fn to_annotated_yaml(settings: &impl Serialize, origins: &Origins) -> Result<String> {
    emit::annotated(&serde_json::to_value(settings)?, origins)
}

/// Settings as JSON under the names that they first had: equal bytes before and after a setting is renamed.
pub fn identifying_json<T: Settings + Serialize>(settings: &T) -> Result<Vec<u8>> {
    let json = renamed::first_names(serde_json::to_value(settings)?, "", T::RENAMED);
    Ok(serde_json::to_vec(&json)?)
}

/// What a YAML file below `experiments/` describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    Experiment,
    /// Published numbers and how to regenerate them: it has `table` at the top.
    Table,
    /// One experiment under many settings: `experiment`.
    Sweep,
    /// The pre-training of an encoder: `encoder`.
    Pretraining,
    /// Settings for others to build on: the file's name begins with `_`.
    Part,
}

/// What a file describes; one that cannot be read counts as an experiment, whose loading says why.
pub fn kind(path: &Path) -> FileKind {
    if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_')) {
        return FileKind::Part;
    }
    let text = crate::util::fs::read_text(path).unwrap_or_default();
    let Some(tree) = parse::parse(&text, 0).0 else { return FileKind::Experiment };
    let marks = [("table", FileKind::Table), ("experiment", FileKind::Sweep), ("encoder", FileKind::Pretraining)];
    marks.into_iter().find(|(key, _)| tree.entry(key).is_some()).map_or(FileKind::Experiment, |(_, kind)| kind)
}

/// A fault that a validator found: the dotted path of the setting, and the sentence after it.
pub type Invalid = (String, String);

/// What a kind of file describes.
pub trait Settings: DeserializeOwned {
    /// What messages call it.
    const NAME: &'static str;
    /// Whether `base` at the top names files to build on; else it is a setting like others.
    const BUILDS_ON_BASES: bool = true;
    /// Settings that have had other names, which still work.
    const RENAMED: &'static [Renamed] = &[];

    /// Everything that is wrong with values of the right types.
    fn invalid(&self) -> Vec<Invalid>;
}

/// Reads a file with its bases, applies the overrides, types the result and validates it.
///
/// # Errors
/// An unreadable file, or a [`ConfigError`] with every fault of the settings.
pub fn load<T: Settings>(path: &Path, overrides: &[String]) -> Result<(T, Origins, Vec<PathBuf>)> {
    let mut sources = Sources::new(T::RENAMED);
    let mut faults = Vec::new();
    let tree = sources.read(path, T::BUILDS_ON_BASES, &mut faults)?;
    resolve(tree, overrides, sources, faults)
}

/// Settings that no file holds, with overrides on them.
///
/// # Errors
/// A [`ConfigError`] with every fault.
pub fn with_overrides<T: Settings + Serialize>(settings: &T, overrides: &[String]) -> Result<T> {
    let mut sources = Sources::new(T::RENAMED);
    let mut faults = Vec::new();
    let tree = sources.one(Path::new(T::NAME), to_yaml(settings)?, &mut faults);
    Ok(resolve(tree, overrides, sources, faults)?.0)
}

fn resolve<T: Settings>(
    mut tree: tree::Node,
    overrides: &[String],
    mut sources: Sources,
    mut faults: Vec<Fault>,
) -> Result<(T, Origins, Vec<PathBuf>)> {
    if sources.broken {
        return Err(ConfigError::new(T::NAME, faults, &sources).into());
    }
    overrides::apply(&mut tree, overrides, &mut sources, &mut faults);

    let typed = typed::typed::<T>(&tree);
    faults.extend(typed.faults);
    let stand_ins: Vec<String> = typed.stand_ins.iter().map(|path| path.join(".")).collect();
    for (path, message) in typed.value.as_ref().map(T::invalid).unwrap_or_default() {
        let judged_a_stand_in = stand_ins.iter().any(|other| is_within(&path, other) || is_within(other, &path));
        if !judged_a_stand_in {
            faults.push(Fault { place: Some(tree.nearest_place(&path)), path, message });
        }
    }
    match typed.value {
        Some(value) if faults.is_empty() => {
            let files = sources.files().map(PathBuf::from).collect();
            Ok((value, origins(&tree, &sources), files))
        }
        _ => Err(ConfigError::new(T::NAME, faults, &sources).into()),
    }
}

/// Whether a dotted path is another or leads below it.
fn is_within(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn origins(tree: &tree::Node, sources: &Sources) -> Origins {
    let mut origins = BTreeMap::new();
    tree.walk(&mut Vec::new(), &mut |path, place| {
        let origin = match sources.get(place.source) {
            Some(source) if source.is_override => Origin::Override,
            Some(source) => Origin::File { path: PathBuf::from(&source.label), line: place.line },
            None => Origin::Default,
        };
        origins.insert(path.join("."), origin);
    });
    Origins(origins)
}

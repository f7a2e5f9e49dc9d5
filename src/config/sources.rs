//! The texts that an experiment is made of: its file, the files that one builds on, and overrides.

use super::errors::Fault;
use super::parse::parse;
use super::renamed::Renamed;
use super::tree::{Node, NodeKind, Place};
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Source {
    /// The path of a file, or an override as it was typed.
    pub label: String,
    pub text: String,
    pub is_override: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Sources {
    texts: Vec<Source>,
    /// Settings that have had other names.
    pub(super) renamed: &'static [Renamed],
    /// A file could not be read or is no YAML: what is missing elsewhere may be in it.
    pub broken: bool,
}

impl Sources {
    pub fn new(renamed: &'static [Renamed]) -> Self {
        Self { renamed, ..Self::default() }
    }

    pub fn get(&self, index: usize) -> Option<&Source> {
        self.texts.get(index)
    }

    pub fn add(&mut self, label: String, text: String, is_override: bool) -> usize {
        self.texts.push(Source { label, text, is_override });
        self.texts.len() - 1
    }

    /// A place as messages begin with it.
    pub fn location(&self, place: Place) -> String {
        match self.get(place.source) {
            Some(source) if source.is_override => format!("in override '{}'", source.label),
            Some(source) => format!("{}:{}:{}", source.label, place.line, place.column),
            None => String::new(),
        }
    }

    /// The paths of the files read, the one asked for first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(|source| !source.is_override).map(|source| source.label.as_str())
    }

    /// Reads a file and, with `bases`, the files that its `base` names, which lie under it, later ones over earlier
    /// ones.
    pub fn read(&mut self, path: &Path, bases: bool, faults: &mut Vec<Fault>) -> anyhow::Result<Node> {
        let text = crate::util::fs::read_text(path)?;
        Ok(match bases {
            true => self.assemble(path, text, &mut Vec::new(), faults),
            false => self.one(path, text, faults),
        })
    }

    /// The map of settings in one text.
    pub fn one(&mut self, path: &Path, text: String, faults: &mut Vec<Fault>) -> Node {
        let index = self.add(path.display().to_string(), text.clone(), false);
        let (own, mut own_faults) = parse(&text, index);
        faults.append(&mut own_faults);
        let Some(mut own) = own else {
            self.broken = true;
            return Node::empty_map(Place { source: index, line: 1, column: 1, width: 1 });
        };
        if matches!(own.kind, NodeKind::Scalar(Value::Null, _)) {
            own = Node::empty_map(own.place);
        }
        if !matches!(own.kind, NodeKind::Map(_)) {
            let message = format!("expected a map of settings, found {}", own.describe());
            faults.push(Fault { place: Some(own.place), path: String::new(), message });
            self.broken = true;
            own = Node::empty_map(own.place);
        }
        self.rename(&mut own, "", faults);
        own
    }

    fn assemble(&mut self, path: &Path, text: String, above: &mut Vec<PathBuf>, faults: &mut Vec<Fault>) -> Node {
        let mut own = self.one(path, text, faults);
        let Some(base) = own.take("base") else { return own };
        above.push(identity(path));
        let mut under: Option<Node> = None;
        for (name, place) in base_names(&base.value, faults) {
            let file = simplify(&path.parent().unwrap_or(Path::new("")).join(name));
            let text = match above.contains(&identity(&file)) {
                true => Err(format!("'{}' has itself as base", file.display())),
                false => crate::util::fs::read_text(&file).map_err(|error| format!("{error:#}")),
            };
            let node = match text {
                Ok(text) => self.assemble(&file, text, above, faults),
                Err(message) => {
                    faults.push(Fault { place: Some(place), path: "base".into(), message });
                    self.broken = true;
                    continue;
                }
            };
            match &mut under {
                Some(under) => under.merge(node),
                None => under = Some(node),
            }
        }
        above.pop();
        match under {
            Some(mut under) => {
                under.merge(own);
                under
            }
            None => own,
        }
    }
}

/// The file names that `base` gives: one, or a list.
fn base_names(base: &Node, faults: &mut Vec<Fault>) -> Vec<(String, Place)> {
    let items = match &base.kind {
        NodeKind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(base),
    };
    let mut names = Vec::new();
    for item in items {
        match &item.kind {
            NodeKind::Scalar(Value::String(name), _) => names.push((name.clone(), item.place)),
            _ => faults.push(Fault {
                place: Some(item.place),
                path: "base".into(),
                message: format!("expected the name of a file, found {}", item.describe()),
            }),
        }
    }
    names
}

fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// The path without `.` and without `name/..`, for messages.
fn simplify(path: &Path) -> PathBuf {
    let mut simple = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(simple.components().next_back(), Some(Component::Normal(_))) => {
                simple.pop();
            }
            _ => simple.push(part),
        }
    }
    simple
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_messages_have_no_detours() {
        assert_eq!(simplify(Path::new("a/b/../_base.yaml")), Path::new("a/_base.yaml"));
        assert_eq!(simplify(Path::new("./../x.yaml")), Path::new("../x.yaml"));
        assert_eq!(simplify(Path::new("../../x.yaml")), Path::new("../../x.yaml"));
    }
}

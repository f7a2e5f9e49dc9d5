//! YAML as a tree whose every node knows where it was written: merged, changed by path, turned into JSON values.

use serde_json::{Map, Number, Value};

/// Where something was written: an index into [`super::sources::Sources`], a line and a column from 1, and how many
/// characters an excerpt should underline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub source: usize,
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub kind: NodeKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// The value, and the text it was written as.
    Scalar(Value, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    /// Place of the key.
    pub place: Place,
    pub value: Node,
}

/// Maps at these paths hold one key, the choice: another key replaces it instead of joining it.
const CHOICES: [&str; 4] = ["model", "train.schedule", "first_stage.schedule", "reinforce.train.schedule"];

impl Node {
    pub fn empty_map(place: Place) -> Self {
        Self { place, kind: NodeKind::Map(Vec::new()) }
    }

    /// What it is, for messages: `a map`, `"fast"`.
    pub fn describe(&self) -> String {
        match &self.kind {
            NodeKind::Scalar(Value::Null, _) => "nothing".into(),
            NodeKind::Scalar(value, _) => value.to_string(),
            NodeKind::List(_) => "a list".into(),
            NodeKind::Map(_) => "a map".into(),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar(Value::Null, _))
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Takes an entry out of a map.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        match &mut self.kind {
            NodeKind::Map(entries) => {
                entries.iter().position(|entry| entry.key == key).map(|index| entries.remove(index))
            }
            _ => None,
        }
    }

    /// The entries of the map that the last step of a path is a key of, and that step.
    pub fn map_around<'a>(&mut self, path: &[&'a str]) -> Option<(&mut Vec<Entry>, &'a str)> {
        let (last, parents) = path.split_last()?;
        let node = parents.iter().try_fold(self, |node, step| match &mut node.kind {
            NodeKind::Map(entries) => entries.iter_mut().find(|entry| entry.key == *step).map(|entry| &mut entry.value),
            _ => None,
        })?;
        match &mut node.kind {
            NodeKind::Map(entries) => Some((entries, last)),
            _ => None,
        }
    }

    /// The node at a path of map keys and list indices.
    pub fn get(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match &node.kind {
            NodeKind::Map(_) => node.entry(step).map(|entry| &entry.value),
            NodeKind::List(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
            NodeKind::Scalar(..) => None,
        })
    }

    /// Where the last step of the path was written: the key in a map, the entry in a list.
    pub fn place_of(&self, path: &[String]) -> Option<Place> {
        let Some((last, parents)) = path.split_last() else { return Some(self.place) };
        let parent = self.get(parents)?;
        parent.entry(last).map(|entry| entry.place).or_else(|| self.get(path).map(|node| node.place))
    }

    /// The place of a setting by its dotted path, or of the nearest map around it that was written. Keys may have dots
    /// of their own.
    pub fn nearest_place(&self, dotted: &str) -> Place {
        let below = |step: &str| match dotted.strip_prefix(step)? {
            "" => Some(""),
            rest => rest.strip_prefix('.'),
        };
        let found = match &self.kind {
            NodeKind::Map(entries) => entries.iter().find_map(|entry| Some((&entry.value, below(&entry.key)?))),
            NodeKind::List(items) => {
                items.iter().enumerate().find_map(|(index, item)| Some((item, below(&index.to_string())?)))
            }
            NodeKind::Scalar(..) => None,
        };
        match found {
            Some((node, rest)) if !dotted.is_empty() => node.nearest_place(rest),
            _ => self.place,
        }
    }

    /// Lays `over` on top: maps merge key by key, everything else is replaced.
    pub fn merge(&mut self, over: Self) {
        merge_at(self, over, "");
    }

    /// Lays `value` on the setting at `path`, making the maps on the way that are not there yet. `key` is the place of
    /// the path itself. The error says what is wrong with the path.
    pub fn set(&mut self, path: &[String], key: Place, value: Self) -> Result<(), String> {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            let here = path.get(..depth).unwrap_or_default().join(".");
            let word = matches!(node.kind, NodeKind::Scalar(Value::String(_), _));
            if node.is_null() || (word && CHOICES.contains(&here.as_str())) {
                *node = Self::empty_map(key);
            }
            let found = node.describe();
            node = match &mut node.kind {
                NodeKind::Map(entries) => {
                    if CHOICES.contains(&here.as_str()) {
                        entries.retain(|entry| entry.key == *step);
                    }
                    let index = match entries.iter().position(|entry| entry.key == *step) {
                        Some(index) => index,
                        None => {
                            let value = Self { place: key, kind: NodeKind::Scalar(Value::Null, String::new()) };
                            entries.push(Entry { key: step.clone(), place: key, value });
                            entries.len() - 1
                        }
                    };
                    match entries.get_mut(index) {
                        Some(entry) => {
                            entry.place = key;
                            &mut entry.value
                        }
                        None => return Err("unknown setting".into()),
                    }
                }
                NodeKind::List(items) => {
                    let count = items.len();
                    match step.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                        Some(item) => item,
                        None => {
                            return Err(format!("'{here}' is a list of {count}, counted from 0; it has no '{step}'"));
                        }
                    }
                }
                NodeKind::Scalar(..) => return Err(format!("'{here}' is {found} and has no '{step}'")),
            };
        }
        merge_at(node, value, &path.join("."));
        Ok(())
    }

    /// The plain values, without places.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value, _) => value.clone(),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            NodeKind::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }

    /// Calls `visit` with the path and place of every node below this one, parents first.
    pub fn walk(&self, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], Place)) {
        visit(path, self.place);
        let mut child = |step: String, node: &Self| {
            path.push(step);
            node.walk(path, visit);
            path.pop();
        };
        match &self.kind {
            NodeKind::Scalar(..) => {}
            NodeKind::List(items) => items.iter().enumerate().for_each(|(index, item)| child(index.to_string(), item)),
            NodeKind::Map(entries) => entries.iter().for_each(|entry| child(entry.key.clone(), &entry.value)),
        }
    }
}

fn merge_at(under: &mut Node, over: Node, path: &str) {
    let Node { place, kind } = over;
    match (&mut under.kind, kind) {
        (NodeKind::Map(old), NodeKind::Map(new)) => {
            under.place = place;
            if CHOICES.contains(&path) && !new.is_empty() {
                old.retain(|entry| new.iter().any(|chosen| chosen.key == entry.key));
            }
            for entry in new {
                match old.iter_mut().find(|known| known.key == entry.key) {
                    Some(known) => {
                        let below = if path.is_empty() { entry.key } else { format!("{path}.{}", entry.key) };
                        known.place = entry.place;
                        merge_at(&mut known.value, entry.value, &below);
                    }
                    None => old.push(entry),
                }
            }
        }
        (_, kind) => *under = Node { place, kind },
    }
}

/// The value of an unquoted scalar by YAML's core schema, as serde_yaml reads it; infinities and NaN stay text, since
/// no setting takes them.
pub(super) fn plain_value(text: &str) -> Value {
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(serde_yaml::Value::Null) => Value::Null,
        Ok(serde_yaml::Value::Bool(value)) => Value::Bool(value),
        Ok(serde_yaml::Value::Number(value)) => value
            .as_u64()
            .map(Number::from)
            .or_else(|| value.as_i64().map(Number::from))
            .or_else(|| value.as_f64().and_then(Number::from_f64))
            .map_or_else(|| Value::String(text.into()), Value::Number),
        _ => Value::String(text.into()),
    }
}

/// The value at a path, for changing.
pub(super) fn json_at<'a>(root: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(root, |value, step| match value {
        Value::Object(map) => map.get_mut(step),
        Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get_mut(index)),
        _ => None,
    })
}

/// The map at a path, made where there is none.
pub(super) fn json_map<'a>(root: &'a mut Value, path: &[String]) -> Option<&'a mut Map<String, Value>> {
    let value = json_at(root, path)?;
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse;
    use serde_json::json;

    fn tree(text: &str) -> Node {
        let (node, faults) = parse(text, 0);
        assert!(faults.is_empty(), "{faults:?}");
        node.unwrap()
    }

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(String::from).collect()
    }

    #[test]
    fn maps_merge_and_lists_replace() {
        let mut base = tree("a: {x: 1, y: 2}\nl: [1, 2, 3]\nkeep: yes");
        base.merge(tree("a: {y: 3, z: 4}\nl: [9]"));
        assert_eq!(base.to_json(), json!({"a": {"x": 1, "y": 3, "z": 4}, "l": [9], "keep": "yes"}));
    }

    #[test]
    fn another_model_replaces_the_base_model_and_the_same_one_joins_it() {
        let mut base = tree("model: {one: {a: 1, b: 2}}");
        base.merge(tree("model: {one: {b: 3}}"));
        assert_eq!(base.to_json(), json!({"model": {"one": {"a": 1, "b": 3}}}));
        base.merge(tree("model: {two: {c: 1}}"));
        assert_eq!(base.to_json(), json!({"model": {"two": {"c": 1}}}));
        let place = base.place;
        base.set(&path("model.three.d"), place, tree("5")).unwrap();
        assert_eq!(base.to_json(), json!({"model": {"three": {"d": 5}}}));
    }

    #[test]
    fn a_path_goes_into_maps_and_lists_and_says_where_it_cannot() {
        let mut node = tree("encoders: [{name: a}, {name: b}]\ntrain:\nseed: 1");
        let place = node.place;
        node.set(&path("encoders.1.name"), place, tree("c")).unwrap();
        node.set(&path("train.optimizer.lr"), place, tree("1e-3")).unwrap();
        let expected =
            json!({"encoders": [{"name": "a"}, {"name": "c"}], "train": {"optimizer": {"lr": 1e-3}}, "seed": 1});
        assert_eq!(node.to_json(), expected);
        let error = node.set(&path("encoders.2.name"), place, tree("c")).unwrap_err();
        assert_eq!(error, "'encoders' is a list of 2, counted from 0; it has no '2'");
        let error = node.set(&path("seed.x"), place, tree("c")).unwrap_err();
        assert_eq!(error, "'seed' is 1 and has no 'x'");
    }

    #[test]
    fn unquoted_scalars_take_their_type_and_quoted_ones_stay_text() {
        let node = tree("[1, -2, 1e-4, true, no, ~, '1', \"~\", .inf, 18446744073709551615]");
        let expected = json!([1, -2, 1e-4, true, "no", null, "1", "~", ".inf", 18446744073709551615u64]);
        assert_eq!(node.to_json(), expected);
    }
}

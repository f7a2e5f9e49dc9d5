//! Settings that once had other names: the old ones still work, with one warning that names the new.

use super::errors::Fault;
use super::sources::Sources;
use super::tree::{Node, Place};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// The dotted path that a setting had, and the one that it has; they differ in their last step.
pub type Renamed = (&'static str, &'static str);

/// Old names that this process has warned of.
static WARNED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl Sources {
    /// Gives what a tree has under old names its new ones. The tree stands at the dotted path `at`; a setting that has
    /// both names is a fault.
    pub(super) fn rename(&self, tree: &mut Node, at: &str, faults: &mut Vec<Fault>) {
        for &(old, new) in self.renamed {
            let Some((map, last)) = below(old, at).and_then(|steps| tree.map_around(&steps)) else { continue };
            let new_last = last_step(new);
            let Some(index) = map.iter().position(|entry| entry.key == last) else { continue };
            if map.iter().any(|entry| entry.key == new_last) {
                let message = format!("now called '{new}', which is set here, too; remove one of them");
                faults.push(Fault { place: Some(map.remove(index).place), path: old.into(), message });
            } else if let Some(entry) = map.get_mut(index) {
                entry.key = new_last.into();
                self.warn((old, new), entry.place);
            }
        }
    }

    /// The present name of a setting that an override gives by a name that may be old.
    pub(super) fn present_name(&self, path: &str, place: Place) -> String {
        for &(old, new) in self.renamed {
            let Some(rest) = path.strip_prefix(old).filter(|rest| rest.is_empty() || rest.starts_with('.')) else {
                continue;
            };
            self.warn((old, new), place);
            return format!("{new}{rest}");
        }
        path.into()
    }

    fn warn(&self, (old, new): Renamed, place: Place) {
        if WARNED.lock().is_ok_and(|mut warned| warned.insert(old)) {
            let location = self.location(place);
            tracing::warn!("{location}: '{old}' is now called '{new}'; the old name still works, but please change it");
        }
    }
}

/// Settings under the names that they first had, in the same order: what identities are computed from, so that a
/// renamed setting leaves them as they were.
pub(super) fn first_names(settings: Value, at: &str, renamed: &[Renamed]) -> Value {
    let Value::Object(map) = settings else { return settings };
    let entry = |(key, value): (String, Value)| {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        let old = renamed.iter().find(|(_, new)| *new == path).map(|(old, _)| last_step(old).to_owned());
        (old.unwrap_or(key), first_names(value, &path, renamed))
    };
    Value::Object(map.into_iter().map(entry).collect())
}

/// The steps of a dotted path below another; none where it does not lead there.
fn below(path: &'static str, at: &str) -> Option<Vec<&'static str>> {
    let rest = if at.is_empty() { path } else { path.strip_prefix(at)?.strip_prefix('.')? };
    Some(rest.split('.').collect())
}

fn last_step(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

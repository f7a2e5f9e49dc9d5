//! Train, validation and test: their names in files, and the rule where a file names none.

use crate::data::SplitRule;
use crate::util::{rng::Rng, suggest};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Val,
    Test,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The names of a settings list; `all` stands for every split.
    pub fn parse_list(names: &[String]) -> Result<Vec<Self>> {
        let mut splits = Vec::new();
        for name in names {
            match name.as_str() {
                "all" => splits.extend(Self::ALL),
                name => splits.push(name.parse()?),
            }
        }
        splits.sort_unstable();
        splits.dedup();
        Ok(splits)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Split {
    type Err = anyhow::Error;

    /// Letter case does not matter; `restval` (Karpathy's MS-COCO splits) counts as train, `valid` and `validation` as
    /// val.
    fn from_str(name: &str) -> Result<Self> {
        Ok(match name.trim().to_ascii_lowercase().as_str() {
            "train" | "training" | "restval" => Self::Train,
            "val" | "valid" | "validation" => Self::Val,
            "test" | "testing" => Self::Test,
            other => bail!("unknown split '{other}'{}", suggest::hint(other, ["train", "val", "test", "restval"])),
        })
    }
}

/// The splits of images whose file names none: the distinct names are sorted, shuffled by `rule.seed` and cut into the
/// first `rule.train`, the next `rule.val` and the rest (counts rounded to the nearest), so that neither the order of
/// the file nor the number of captions matters. The result is in the order of `names`.
pub(super) fn assign(names: &[&str], rule: &SplitRule) -> Vec<Split> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&i| names.get(i).copied());
    Rng::new(&[rule.seed]).shuffle(&mut order);
    let count = |part: f64| (names.len() as f64 * part.clamp(0.0, 1.0)).round() as usize;
    let (train, val) = (count(rule.train), count(rule.val));
    let mut splits = vec![Split::Test; names.len()];
    for (rank, i) in order.into_iter().enumerate() {
        let split = match rank {
            rank if rank < train => Split::Train,
            rank if rank < train.saturating_add(val) => Split::Val,
            _ => Split::Test,
        };
        if let Some(slot) = splits.get_mut(i) {
            *slot = split;
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_files_write_them_and_a_wrong_one_says_what_is_valid() {
        assert_eq!("restval".parse::<Split>().unwrap(), Split::Train);
        assert_eq!("Validation".parse::<Split>().unwrap(), Split::Val);
        let error = "tset".parse::<Split>().unwrap_err().to_string();
        assert!(error.contains("did you mean 'test'"), "{error}");
        let error = "zzz".parse::<Split>().unwrap_err().to_string();
        assert!(error.contains("valid: train, val, test"), "{error}");
        assert_eq!(Split::parse_list(&["test".into(), "all".into()]).unwrap(), Split::ALL);
    }

    #[test]
    fn assigned_splits_depend_on_names_and_seed_but_not_on_file_order() {
        let names: Vec<String> = (0..100).map(|i| format!("{i}.png")).collect();
        let forward: Vec<&str> = names.iter().map(String::as_str).collect();
        let backward: Vec<&str> = forward.iter().rev().copied().collect();
        let rule = SplitRule::default();
        let splits = assign(&forward, &rule);
        let mut reversed = assign(&backward, &rule);
        reversed.reverse();
        assert_eq!(splits, reversed);
        let count = |split| splits.iter().filter(|&&s| s == split).count();
        assert_eq!((count(Split::Train), count(Split::Val), count(Split::Test)), (80, 10, 10));
        assert_ne!(splits, assign(&forward, &SplitRule { seed: 2, ..rule }));
    }
}

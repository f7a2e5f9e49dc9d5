//! Train, validation and test, and their names in files.

use anyhow::{Result, bail};
use rsic_util::suggest;
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
}

//! Penn Treebank tags.

use anyhow::{Result, bail};
use std::fmt;

/// The 45 tags in the order of their names, which settles ties.
const NAMES: [&str; 45] = [
    "#", "$", "''", "(", ")", ",", ".", ":", "CC", "CD", "DT", "EX", "FW", "IN", "JJ", "JJR", "JJS", "LS", "MD", "NN",
    "NNP", "NNPS", "NNS", "PDT", "POS", "PRP", "PRP$", "RB", "RBR", "RBS", "RP", "SYM", "TO", "UH", "VB", "VBD", "VBG",
    "VBN", "VBP", "VBZ", "WDT", "WP", "WP$", "WRB", "``",
];

/// A part of speech, as the Penn Treebank names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u8);

impl Tag {
    /// Number of tags.
    pub const COUNT: usize = NAMES.len();

    /// The tag of a name; an error where there is none.
    pub fn of(name: &str) -> Result<Self> {
        match NAMES.binary_search(&name) {
            Ok(index) => Ok(Self(index as u8)),
            Err(_) => bail!("'{name}' is not a Penn Treebank tag"),
        }
    }

    /// The tag at a place in the order of names; `None` from [`Self::COUNT`] on.
    pub fn at(index: usize) -> Option<Self> {
        (index < Self::COUNT).then_some(Self(index as u8))
    }

    /// Place in the order of names.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// `NN`, `JJ`, ...
    pub fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().unwrap_or_default()
    }

    /// NN, NNS, NNP or NNPS.
    pub fn is_noun(self) -> bool {
        self.name().starts_with("NN")
    }

    /// JJ, JJR or JJS.
    pub fn is_adjective(self) -> bool {
        self.name().starts_with("JJ")
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_come_back() {
        assert!(NAMES.is_sorted());
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(Tag::of(name).unwrap(), Tag::at(index).unwrap());
        }
        assert!(Tag::of("NOUN").is_err() && Tag::at(45).is_none());
        assert!(Tag::of("NNPS").unwrap().is_noun() && Tag::of("JJR").unwrap().is_adjective());
    }
}

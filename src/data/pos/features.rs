//! The features by which a word is tagged.

use super::tag::Tag;
use std::borrow::Cow;

/// What stands before the first word, the farther one first, and after the last.
pub(super) const BEFORE: [&str; 2] = ["-START-", "-START2-"];
pub(super) const AFTER: [&str; 2] = ["-END-", "-END2-"];
/// States of the tag before: the tags, then the two beginnings (`-START-` as the tag before, `-START2-` before it).
pub(super) const STATES: usize = Tag::COUNT + BEFORE.len();

/// A word as its neighbours see it: numbers and hyphenated words become classes, the rest lower case.
pub(super) fn normalize(word: &str) -> Cow<'_, str> {
    if word.contains('-') && !word.starts_with('-') {
        "!HYPHEN".into()
    } else if word.chars().all(is_digit) && word.chars().count() == 4 {
        "!YEAR".into()
    } else if word.starts_with(is_digit) {
        "!DIGITS".into()
    } else if word.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        word.into()
    } else {
        word.to_lowercase().into()
    }
}

/// Digits as Python's `isdigit` has them: small ones too ("m²"). Other scripts' are left out.
fn is_digit(c: char) -> bool {
    matches!(c, '0'..='9' | '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '₀'..='₉')
}

/// The last three characters.
pub(super) fn suffix(word: &str) -> &str {
    let start = word.char_indices().rev().nth(2).map_or(0, |(at, _)| at);
    word.get(start..).unwrap_or(word)
}

/// Name of a state of the tag before.
pub(super) fn state_name(state: usize) -> &'static str {
    match Tag::at(state) {
        Some(tag) => tag.name(),
        None => BEFORE.get(state - Tag::COUNT).copied().unwrap_or_default(),
    }
}

/// A feature, as its name in the tables says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature<'a> {
    Bias,
    /// Of the word itself, in its own letter case.
    Prefix(&'a str),
    /// Place of the word from the tagged one: 0, -1, 1.
    Suffix(i8, &'a str),
    /// Place of the word from the tagged one: -2 to 2.
    Word(i8, &'a str),
    /// Tag before.
    Before(&'a str),
    /// Tag before that.
    BeforeThat(&'a str),
    Both(&'a str, &'a str),
    BeforeAndWord(&'a str, &'a str),
}

impl<'a> Feature<'a> {
    /// Takes a name apart; `None` for names that no word gives.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        if name == "bias" {
            return Some(Self::Bias);
        }
        let (place, rest) = name.split_once(' ')?;
        let at = match place {
            "i" => 0,
            "i-1" => -1,
            "i-2" => -2,
            "i+1" => 1,
            "i+2" => 2,
            _ => return None,
        };
        let (kind, value) = rest.split_once(' ')?;
        match (kind, at) {
            ("pref1", 0) => Some(Self::Prefix(value)),
            ("suffix", -1..=1) => Some(Self::Suffix(at, value)),
            ("word", _) => Some(Self::Word(at, value)),
            ("tag", -1) => Some(Self::Before(value)),
            ("tag", -2) => Some(Self::BeforeThat(value)),
            ("tag+i-2", 0) => {
                let (before, that) = value.strip_prefix("tag ")?.split_once(' ')?;
                Some(Self::Both(before, that))
            }
            ("tag+i", -1) => {
                let (before, word) = value.strip_prefix("word ")?.split_once(' ')?;
                Some(Self::BeforeAndWord(before, word))
            }
            _ => None,
        }
    }
}

/// Names of the features of word `i` of a sentence in which `context` holds the normalised words between two
/// beginnings and two ends; `before` and `that` are the states of the tags before. In NLTK's order.
pub(super) fn names(word: &str, context: &[Cow<str>], i: usize, before: usize, that: usize) -> Vec<String> {
    let at = |offset: usize| context.get(i + offset).map_or("", |word| word.as_ref()); // 2 is the word itself
    let (before, that) = (state_name(before), state_name(that));
    let prefix: String = word.chars().take(1).collect();
    vec![
        "bias".to_owned(),
        format!("i suffix {}", suffix(word)),
        format!("i pref1 {prefix}"),
        format!("i-1 tag {before}"),
        format!("i-2 tag {that}"),
        format!("i tag+i-2 tag {before} {that}"),
        format!("i word {}", at(2)),
        format!("i-1 tag+i word {before} {}", at(2)),
        format!("i-1 word {}", at(1)),
        format!("i-1 suffix {}", suffix(at(1))),
        format!("i-2 word {}", at(0)),
        format!("i+1 word {}", at(3)),
        format!("i+1 suffix {}", suffix(at(3))),
        format!("i+2 word {}", at(4)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_normalised_as_nltk_does() {
        for (word, normal) in [
            ("Trees", "trees"),
            ("two-storey", "!HYPHEN"),
            ("-x", "-x"),
            ("1998", "!YEAR"),
            ("12", "!DIGITS"),
            ("3rd", "!DIGITS"),
            ("²", "!DIGITS"),
            ("", ""),
            ("É", "é"),
        ] {
            assert_eq!(normalize(word), normal, "{word}");
        }
        assert_eq!([suffix("a"), suffix("trees"), suffix("été")], ["a", "ees", "été"]);
    }

    #[test]
    fn every_name_that_is_made_is_understood() {
        let context: Vec<Cow<str>> = ["-START-", "-START2-", "a", "tree", "-END-", "-END2-"].map(Cow::from).to_vec();
        let names = names("tree", &context, 1, 10, Tag::COUNT + 1);
        assert_eq!(names[5], "i tag+i-2 tag DT -START2-");
        assert_eq!(names[8], "i-1 word a");
        assert_eq!(names[10], "i-2 word -START2-");
        assert_eq!(names[13], "i+2 word -END2-");
        assert!(names.iter().all(|name| Feature::parse(name).is_some()));
        assert_eq!(Feature::parse(&names[7]), Some(Feature::BeforeAndWord("DT", "tree")));
        assert_eq!(Feature::parse("i+3 word x"), None);
    }
}

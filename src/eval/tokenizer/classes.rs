//! What the reference tokeniser takes each character beyond ASCII for.

use std::sync::LazyLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of words.
    Word,
    /// Part of words, but not of those that begin with a digit.
    Mark,
    /// A token of its own.
    Symbol,
    /// A token together with those of its kind that follow: small raised digits.
    Run,
    /// Dropped; separates tokens.
    Gone,
}

/// As observed on every code point (`scripts/tokenizer_classes.py`): where each class begins.
static OBSERVED: &str = include_str!("classes.txt");

static CLASSES: LazyLock<Vec<Class>> = LazyLock::new(|| {
    let mut classes = Vec::with_capacity(1 << 16);
    let mut current = Class::Gone;
    for line in OBSERVED.lines() {
        let (start, name) = line.split_once(' ').unwrap_or_default();
        classes.resize(usize::from_str_radix(start, 16).unwrap_or_default(), current);
        current = match name {
            "word" => Class::Word,
            "mark" => Class::Mark,
            "symbol" => Class::Symbol,
            "run" => Class::Run,
            _ => Class::Gone,
        };
    }
    classes.resize(1 << 16, current);
    classes
});

/// The class of a character beyond ASCII. The reference knows none beyond the basic plane and drops those.
pub(super) fn class(c: char) -> Class {
    CLASSES.get(c as usize).copied().unwrap_or(Class::Gone)
}

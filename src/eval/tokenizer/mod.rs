//! Penn Treebank tokens as coco-caption's scorers see them: Stanford's PTBTokenizer with `-preserveLines -lowerCase`,
//! less coco-caption's list of punctuation.
//!
//! The rules here were written from observed behaviour, not from Stanford's grammar. Two habits of the reference matter
//! to scores and are kept: lower-casing follows tokenising, so that brackets come out as `-lrb-` and stay (the list
//! names them in capitals), and only exact tokens are dropped, so that `!!!` stays.

mod abbreviations;
mod classes;
mod marks;
mod words;

use classes::{Class, class};
use std::cell::RefCell;

/// Read as if it were not there.
const SOFT_HYPHEN: char = '\u{AD}';

/// A cleaned, lower-case caption: tokens joined by single spaces, punctuation dropped.
///
/// A line break inside the caption counts as a space.
pub fn tokenize(caption: &str) -> String {
    let mut out = String::with_capacity(caption.len() + 8);
    tokenize_into(caption, &mut out);
    out
}

/// [`tokenize`] into a buffer, which is cleared first.
pub fn tokenize_into(caption: &str, out: &mut String) {
    thread_local!(static CHARS: RefCell<Vec<char>> = const { RefCell::new(Vec::new()) });
    CHARS.with_borrow_mut(|chars| {
        chars.clear();
        chars.extend(caption.chars().filter(|&c| c != SOFT_HYPHEN));
        let mut scanner = Scanner { text: chars, at: 0, out: Tokens { text: out } };
        scanner.out.text.clear();
        scanner.run();
    });
}

/// Where the tokens go.
struct Tokens<'o> {
    text: &'o mut String,
}

impl Tokens<'_> {
    /// Adds a token of already final form.
    fn push(&mut self, token: &str) {
        self.separate();
        self.text.push_str(token);
    }

    /// Adds a token made of the caption's own characters: lower-cased, curly apostrophes straightened.
    fn push_chars(&mut self, token: &[char]) {
        self.separate();
        if token.iter().all(char::is_ascii) {
            self.text.extend(token.iter().map(char::to_ascii_lowercase));
        } else {
            let plain: String = token.iter().map(|&c| if marks::is_apostrophe(c) { '\'' } else { c }).collect();
            self.text.push_str(&plain.to_lowercase());
        }
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
    }
}

/// Reads a caption from left to right; each step takes the longest token that a rule accepts.
struct Scanner<'t, 'o> {
    text: &'t [char],
    at: usize,
    out: Tokens<'o>,
}

impl Scanner<'_, '_> {
    fn run(&mut self) {
        while let Some(&c) = self.text.get(self.at) {
            if c.is_ascii() && is_space(c) {
                self.at += 1;
            } else if !self.word() {
                self.mark(c);
            }
        }
    }

    /// The character `offset` places ahead; a space beyond the end.
    fn peek(&self, offset: usize) -> char {
        self.text.get(self.at + offset).copied().unwrap_or(' ')
    }

    /// The characters between two places, clipped to the caption.
    fn slice(&self, from: usize, to: usize) -> &[char] {
        self.text.get(from..to.min(self.text.len())).unwrap_or_default()
    }
}

/// What separates tokens: spaces, and what the reference drops.
fn is_space(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_whitespace() || c.is_ascii_control(),
        false => class(c) == Class::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/golden/tokenizer.json` is of the reference itself (`scripts/tokenizer_classes.py`).
    #[test]
    fn every_code_point_in_five_surroundings_comes_out_as_the_reference_has_it() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/golden/tokenizer.json")).unwrap();
        let all = || ('\0'..=char::MAX).filter(|c| !matches!(c, '\n' | '\r'));
        for (name, template) in golden["contexts"].as_object().unwrap() {
            let mut text = String::new();
            for c in all() {
                let caption = template.as_str().unwrap().replace("%s", &c.to_string());
                text += &format!("{:x}\t{}\n", c as u32, tokenize(&caption));
            }
            assert_eq!(rsic_util::fs::sha256(text.as_bytes()), golden["sha256"][name].as_str().unwrap(), "{name}");
        }
    }

    #[test]
    fn observed_habits_of_the_reference_tokeniser_hold() {
        for (caption, tokens) in [
            (
                "Wow! A plane, a car; and (maybe) a boat: it's \"great\"",
                "wow a plane a car and -lrb- maybe -rrb- a boat it 's great",
            ),
            ("we can't see what's there, cannot we? gonna", "we ca n't see what 's there can not we gon na"),
            ("the boys' hats, o'clock ma'am y'all 'tis", "the boys hats o'clock ma'am y' all 't is"),
            (
                "a semi-circular u-shaped road--near -- the t-junction",
                "a semi-circular u-shaped road near the t-junction",
            ),
            ("cars/trucks on 3/4/2015 people/ w/", "cars/trucks on 3/4/2015 people / w /"),
            ("1,500 2.5 10:30 10:30am $5 50% #1 1990's 2x4 -5", "1,500 2.5 10:30 10:30 am $ 5 50 % # 1 1990 's 2x4 -5"),
            ("2 1/2 cups", "2\u{A0}1/2 cups"),
            (
                "\u{20AC}5 \u{A3}5 50\u{A2} \u{BD} 25\u{B0}c m\u{B2} \u{2026} &amp;",
                "$ 5 # 5 50 cents 1/2 25 \u{B0} c m \u{B2} &",
            ),
            ("the u.s. base near st. john, etc.", "the u.s. base near st. john etc."),
            ("no. 5 or no. approx. 20, a car wash.", "no. 5 or no approx 20 a car wash"),
            ("J. Smith reads K. The end", "j. smith reads k the end"),
            ("!!! ?? ! a...", "!!! ?? a."),
            ("the road., and", "the road. and"),
            ("AT&T M&Ms a&b c++ www.foo.com me@foo.com.", "at&t m&m s a & b c++ www.foo.com me@foo.com"),
            ("\u{56FE}\u{50CF} a\u{200B}b\u{A0}c", "\u{56FE}\u{50CF} a b c"),
            ("a\nb", "a b"),
            ("a \u{1F6EB} b\u{1F600}c \u{2601}\u{FE0F}", "a b c \u{2601}"),
            ("co\u{AD}op x\u{2010}y \u{2010} z \u{2039}a\u{203A}", "coop x\u{2010}y z a"),
            ("\u{201C}\u{201C}a road\u{201D} m\u{B2}\u{B3} 5\u{301}", "```` a road m \u{B2}\u{B3} 5 \u{301}"),
            ("a@b, @@ << road@@lake", "a@b, @@ << road@@lake"),
            ("", ""),
        ] {
            assert_eq!(tokenize(caption), tokens, "{caption:?}");
        }
    }
}

//! Penn Treebank tokens as coco-caption's scorers see them: Stanford's PTBTokenizer with `-preserveLines -lowerCase`,
//! less coco-caption's list of punctuation.
//!
//! The rules here were written from observed behaviour, not from Stanford's grammar. Two habits of the reference matter
//! to scores and are kept: lower-casing follows tokenising, so that brackets come out as `-lrb-` and stay (the list
//! names them in capitals), and only exact tokens are dropped, so that `!!!` stays.

mod abbreviations;
mod marks;
mod words;

use std::cell::RefCell;

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
        chars.extend(caption.chars());
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
            if is_space(c) {
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

/// What separates tokens: no-break and zero-width spaces too.
fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_control() || matches!(c, '\u{200B}' | '\u{200C}' | '\u{200D}' | '\u{FEFF}')
}

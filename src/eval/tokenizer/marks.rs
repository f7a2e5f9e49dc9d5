//! Everything that is not a word: punctuation, brackets, quotes, symbols.

use super::Scanner;
use super::classes::{Class, class};

pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{92}' | '\u{91}')
}

/// Penn Treebank's form of a quotation mark beyond ASCII; low marks stay as they are.
fn quote(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{201C}' | '\u{93}' | '«' => "``",
        '\u{201D}' | '\u{94}' | '»' => "''",
        '\u{2018}' | '\u{201B}' | '\u{91}' => "`",
        '\u{2019}' | '\u{92}' => "'",
        '\u{201A}' => "\u{201A}",
        '\u{201E}' => "\u{201E}",
        '\u{201F}' => "\u{201F}",
        _ => return None,
    })
}

impl Scanner<'_, '_> {
    /// Takes one mark, or a run of one mark where the reference keeps runs together.
    pub(super) fn mark(&mut self, c: char) {
        if self.face() {
            return;
        }
        match c {
            '.' => self.dots(),
            '?' | '!' => self.loud(),
            ',' | ';' | ':' | '"' | '`' | '\'' => self.at += 1,
            c if quote(c).is_some() => self.quotes(),
            '-' => self.dashes(),
            '(' => self.bracket("-lrb-"),
            ')' => self.bracket("-rrb-"),
            '[' => self.bracket("-lsb-"),
            ']' => self.bracket("-rsb-"),
            '{' => self.bracket("-lcb-"),
            '}' => self.bracket("-rcb-"),
            '€' | '¤' | '\u{20A0}' | '\u{80}' => self.bracket("$"),
            '£' => self.bracket("#"),
            '¢' => self.bracket("cents"),
            '½' => self.bracket("1/2"),
            '¼' => self.bracket("1/4"),
            '¾' => self.bracket("3/4"),
            '⅓' => self.bracket("1/3"),
            '⅔' => self.bracket("2/3"),
            '&' => self.ampersand(),
            '*' | '_' | '#' | '@' => self.run_of(c),
            '<' if self.tag() => {}
            '<' | '>' if self.peek(1) == c => self.twice(c),
            _ if !c.is_ascii() && class(c) == Class::Run => self.raised(),
            _ if !c.is_ascii() && class(c) == Class::Gone => self.at += 1,
            _ => {
                self.out.push_chars(&[c]);
                self.at += 1;
            }
        }
    }

    /// A run of quotation marks becomes Penn Treebank's, of which one alone is dropped.
    fn quotes(&mut self) {
        let mut marks = String::new();
        while let Some(mark) = quote(self.peek(0)) {
            marks.push_str(mark);
            self.at += 1;
        }
        if !matches!(marks.as_str(), "`" | "``" | "'" | "''") {
            self.out.push(&marks);
        }
    }

    /// Raised and lowered digits.
    fn raised(&mut self) {
        let start = self.at;
        while !self.peek(0).is_ascii() && class(self.peek(0)) == Class::Run {
            self.at += 1;
        }
        let run = self.slice(start, self.at).to_vec();
        self.out.push_chars(&run);
    }

    fn bracket(&mut self, token: &str) {
        self.out.push(token);
        self.at += 1;
    }

    /// Stops are dropped, alone or in an ellipsis.
    fn dots(&mut self) {
        while self.peek(0) == '.' {
            self.at += 1;
        }
    }

    /// One `?` or `!` is dropped; a run is a word.
    fn loud(&mut self) {
        let start = self.at;
        while matches!(self.peek(0), '?' | '!') {
            self.at += 1;
        }
        if self.at - start > 1 {
            let run: Vec<char> = self.slice(start, self.at).to_vec();
            self.out.push_chars(&run);
        }
    }

    /// Hyphens are dropped, but for five or more.
    fn dashes(&mut self) {
        let start = self.at;
        while self.peek(0) == '-' {
            self.at += 1;
        }
        if self.at - start > 4 {
            let run = self.slice(start, self.at).to_vec();
            self.out.push_chars(&run);
        }
    }

    /// Faces such as `:-)`, with their brackets named.
    fn face(&mut self) -> bool {
        if !matches!(self.peek(0), ':' | ';' | '=' | '>') {
            return false;
        }
        let mut end = self.at + usize::from(self.peek(0) == '>');
        let eyes = |c: char| matches!(c, ':' | ';' | '=');
        let at = |at: usize| self.text.get(at).copied().unwrap_or(' ');
        if !eyes(at(end)) {
            return false;
        }
        end += 1;
        if matches!(at(end), '-' | '\'') {
            end += 1;
        }
        if !matches!(at(end), '(' | ')' | '[' | ']' | 'D' | 'P' | 'p' | '|' | 'O') || at(end + 1).is_alphanumeric() {
            return false;
        }
        end += 1;
        let face: String = self.slice(self.at, end).iter().collect();
        self.out.push(&face.replace('(', "-lrb-").replace(')', "-rrb-").to_lowercase());
        self.at = end;
        true
    }

    /// A mark-up tag stays whole, its spaces turned into no-break spaces.
    fn tag(&mut self) -> bool {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let name = rest.strip_prefix(&['/']).unwrap_or(rest);
        let length = rest.iter().position(|&c| c == '>');
        let Some(length) = length.filter(|_| name.first().is_some_and(char::is_ascii_alphabetic)) else {
            return false;
        };
        let inside = name.get(..length - (rest.len() - name.len())).unwrap_or_default();
        if !inside.iter().all(|&c| c.is_ascii_alphanumeric() || c == ' ') {
            return false;
        }
        let token = self.slice(self.at, self.at + length + 2).iter();
        let token: Vec<char> = token.map(|&c| if c == ' ' { '\u{A0}' } else { c }).collect();
        self.out.push_chars(&token);
        self.at += length + 2;
        true
    }

    fn ampersand(&mut self) {
        const ENTITIES: [(&str, &str); 5] =
            [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", ""), ("&apos;", "")];
        for (entity, token) in ENTITIES {
            let length = entity.chars().count();
            if self.slice(self.at, self.at + length).iter().copied().eq(entity.chars()) {
                if !token.is_empty() {
                    self.out.push(token);
                }
                self.at += length;
                return;
            }
        }
        self.bracket("&");
    }

    /// Pairs stay together: `<<`.
    fn twice(&mut self, c: char) {
        self.out.push_chars(&[c, c]);
        self.at += 2;
    }

    fn run_of(&mut self, c: char) {
        let start = self.at;
        while self.peek(0) == c {
            self.at += 1;
        }
        let run = vec![c; self.at - start];
        self.out.push_chars(&run);
    }
}

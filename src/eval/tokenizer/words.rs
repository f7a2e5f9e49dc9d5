//! Words, numbers, contractions, abbreviations and addresses.

use super::abbreviations::{self, Abbreviation};
use super::classes::{Class, class};
use super::marks::is_apostrophe;
use super::{Scanner, is_space};

/// Words that come apart: the whole, and the length of the first part.
const COMPOUNDS: [(&str, usize); 6] =
    [("cannot", 3), ("gonna", 3), ("gotta", 3), ("wanna", 3), ("gimme", 3), ("lemme", 3)];

impl Scanner<'_, '_> {
    /// Takes a word, where one begins here.
    pub(super) fn word(&mut self) -> bool {
        let first = self.peek(0);
        if is_apostrophe(first) {
            return self.apostrophe_word();
        }
        let sign = matches!(first, '.' | '-' | '+') || is_arabic_separator(first);
        let signed = sign && self.peek(1).is_ascii_digit();
        let tag = matches!(first, '@' | '#') && self.peek(1).is_alphabetic() && is_word(self.peek(1));
        if !(is_word(first) || signed || tag) {
            return false;
        }
        if tag {
            let mut end = self.at + 1;
            while self.at(end).is_alphabetic() {
                end += 1;
            }
            self.emit(self.at, end);
            self.at = end;
            return true;
        }
        if self.address() || self.number() {
            return true;
        }
        if !is_word(first) {
            return false;
        }
        self.plain_word();
        true
    }

    /// A word of letters and digits, with the hyphens, slashes, stops and apostrophes that belong to it.
    fn plain_word(&mut self) {
        let start = self.at;
        let mut end = self.acronym(start).unwrap_or_else(|| self.alnum_run(start));
        let mut slashes = 0;
        loop {
            if self.joins(start, end, &mut slashes) {
                end = self.alnum_run(end + 1);
            } else if self.at(end) == '.'
                && self.at(end + 1) == '-'
                && is_word(self.at(end + 2))
                && self.keeps_stop(start, end)
            {
                end = self.alnum_run(end + 2); // `St.-Denis`
            } else {
                break;
            }
        }
        end = self.capitals_around_ampersands(start, end);
        if matches!((self.at(start).to_ascii_lowercase(), end - start), ('c', 1)) {
            end += match (self.at(end), self.at(end + 1)) {
                ('+', '+') => 2,
                ('#', _) => 1,
                _ => 0,
            };
        }
        if is_apostrophe(self.at(end)) {
            end = self.contraction(start, end);
        } else if self.at(end) == '.' && self.keeps_stop(start, end) {
            end += 1;
        } else if let Some(cut) = compound(self.slice(start, end)) {
            self.emit(start, start + cut);
            self.at = start + cut;
        } else if self.at(end) == '$' && self.slice(start, end).iter().all(char::is_ascii_uppercase) {
            end += 1; // `US$`
        }
        self.emit(self.at, end);
        self.at = end;
    }

    /// Whether the character at `end` ties the word before it to the word after it.
    fn joins(&self, start: usize, end: usize, slashes: &mut u32) -> bool {
        let after = self.at(end + 1);
        match self.at(end) {
            '-' | '_' | '\u{2010}' | '\u{2011}' | '\u{58A}' => is_word(after),
            '/' => {
                *slashes += 1;
                after.is_ascii_alphanumeric() && *slashes <= 2
            }
            // No space after a full stop: the reference keeps both words in one token.
            '.' | '!' | '?' => {
                after.is_alphabetic()
                    && is_word(after)
                    && *slashes == 0
                    && self.slice(start, end).first().is_some_and(|c| c.is_alphabetic())
            }
            _ => false,
        }
    }

    /// The end of `AT&T` or `M&M`, where a word of capitals ends at `end`.
    fn capitals_around_ampersands(&self, start: usize, mut end: usize) -> usize {
        while self.slice(start, end).iter().all(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit()) {
            let from = end + usize::from(matches!(self.at(end), '&' | '+'));
            let mut to = from;
            while self.at(to).is_ascii_uppercase() {
                to += 1;
            }
            if from == end || to == from {
                break;
            }
            end = to;
        }
        end
    }

    /// The end of letters with a stop after each: `u.s.`, `a.m.`. The last letter may lack its stop.
    fn acronym(&self, start: usize) -> Option<usize> {
        let mut end = start;
        while self.at(end).is_ascii_alphabetic() && self.at(end + 1) == '.' {
            end += 2;
        }
        if end - start < 4 || is_word(self.at(end)) {
            return None;
        }
        Some(end)
    }

    /// Whether the stop at `end` belongs to the word before it.
    fn keeps_stop(&self, start: usize, end: usize) -> bool {
        let word = self.slice(start, end);
        if matches!(self.at(end + 1), ',' | ';' | ':') {
            return true; // the sentence goes on
        }
        if word.last().is_none_or(|c| !c.is_alphabetic()) {
            return false;
        }
        if word.len() == 1 && word.iter().all(char::is_ascii_alphabetic) {
            return self.is_initial(end);
        }
        // Of a hyphenated word the last part decides.
        let last = word.rsplit(|&c| matches!(c, '-' | '/' | '.')).next().unwrap_or_default();
        match abbreviations::find(last) {
            Some(Abbreviation::Always) => true,
            Some(Abbreviation::BeforeNumber) => self.at(self.skip_spaces(end + 1)).is_ascii_digit(),
            None => false,
        }
    }

    /// Whether a single letter before the stop at `end` is an initial: something follows, and no sentence begins.
    /// Deviation: the reference looks into the next caption at the end of one; captions mostly begin with an article.
    fn is_initial(&self, end: usize) -> bool {
        let next = self.skip_spaces(end + 1);
        let word = self.slice(next, self.alnum_run(next));
        next < self.text.len() && !abbreviations::starts_sentence(word)
    }

    fn skip_spaces(&self, mut at: usize) -> usize {
        while at < self.text.len() && is_space(self.at(at)) {
            at += 1;
        }
        at
    }

    /// At the apostrophe after a word: takes what belongs to the word, or splits off the clitic. Gives the end of the
    /// word's own token.
    fn contraction(&mut self, start: usize, end: usize) -> usize {
        let clitic = self.clitic(end);
        let next = self.at(end + 1);
        if let Some(cut) = compound(self.slice(start, end)).filter(|_| clitic == 0) {
            self.emit(start, start + cut);
            return self.tail(start + cut, end);
        }
        if clitic > 0 {
            let lower = |at: usize| self.at(at).to_ascii_lowercase();
            if clitic == 2 && lower(end + 1) == 't' {
                if lower(end - 1) == 'n' {
                    self.emit(start, end - 1);
                    return self.tail(end - 1, end + 2);
                }
            } else {
                self.emit(start, end);
                return self.tail(end, end + clitic);
            }
        }
        let first = self.at(start).to_ascii_lowercase();
        if (first, end - start) == ('c', 1) && self.matches_lower(end + 1 - self.at, "mon") {
            return end + 4;
        }
        let word = self.slice(start, end);
        let is = |whole: &str| word.iter().map(char::to_ascii_lowercase).eq(whole.chars());
        if is("dunkin") || is("ol") || (is("y") && next.is_alphabetic()) {
            return end + 1;
        }
        let vowel = |c: char| matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
        if is_word(next) && end - start == 1 && matches!(first, 'd' | 'o' | 'l') {
            return self.alnum_run(end + 1);
        }
        if next.is_alphabetic() && vowel(self.at(end - 1)) && (vowel(next) || next.is_uppercase()) && end - start > 1 {
            return self.alnum_run(end + 1);
        }
        end
    }

    /// Leaves `from..to` as the token to emit: marks the first part done by moving the start.
    fn tail(&mut self, from: usize, to: usize) -> usize {
        // The caller emits `start..end`; what is before `from` has been emitted already.
        self.at = from;
        to
    }

    /// Length of `'s`, `'m`, `'d`, `'t`, `'re`, `'ve` or `'ll` at an apostrophe, 0 where there is none.
    fn clitic(&self, apostrophe: usize) -> usize {
        let lower = |at: usize| self.at(at).to_ascii_lowercase();
        let length = match (lower(apostrophe + 1), lower(apostrophe + 2)) {
            ('r' | 'v', 'e') | ('l', 'l') => 3,
            ('s' | 'm' | 'd' | 't', _) => 2,
            _ => return 0,
        };
        if is_word(self.at(apostrophe + length)) { 0 } else { length }
    }

    /// A token that begins with an apostrophe: a clitic, `'em`, `'n'`, `'90s`.
    fn apostrophe_word(&mut self) -> bool {
        let clitic = self.clitic(self.at);
        let length = if clitic > 0 && !self.peek(1).eq_ignore_ascii_case(&'t') {
            clitic
        } else if self.matches_lower(1, "tis") || self.matches_lower(1, "twas") {
            2
        } else if self.peek(1) == 'n' && is_apostrophe(self.peek(2)) {
            3
        } else if ["em", "til", "cause", "n"].iter().any(|word| self.matches_lower(1, word)) {
            1 + self.alnum_run(self.at + 1) - (self.at + 1)
        } else if self.peek(1).is_ascii_digit() && self.peek(2) == '0' && self.peek(3) == 's' {
            4
        } else if self.peek(1).is_ascii_digit() && self.peek(2).is_ascii_digit() && is_space(self.peek(3)) {
            3 // a year
        } else {
            return false;
        };
        self.emit(self.at, self.at + length);
        self.at += length;
        true
    }

    fn matches_lower(&self, offset: usize, word: &str) -> bool {
        let start = self.at + offset;
        let run = self.slice(start, start + word.len());
        run.iter().map(char::to_ascii_lowercase).eq(word.chars()) && !is_word(self.at(start + word.len()))
    }

    /// `1,500`, `2.5`, `10:30`, `3/4/2015`, `2 1/2`.
    fn number(&mut self) -> bool {
        let start = self.at;
        let mut end = start;
        if matches!(self.at(end), '-' | '+') {
            end += 1;
        }
        if self.at(end) == '.' || is_arabic_separator(self.at(end)) {
            end += 1;
        }
        let digits = |mut at: usize| {
            while self.at(at).is_ascii_digit() {
                at += 1;
            }
            at
        };
        end = digits(end);
        let mut joined = false;
        let ties = |c: char| matches!(c, '.' | ',' | ':' | '\u{2044}') || is_arabic_separator(c);
        while ties(self.at(end)) && self.at(end + 1).is_ascii_digit() {
            joined = true;
            end = digits(end + 1);
        }
        // A sign or a point belongs to the number: `-5`, `.5`.
        let signed = !self.at(start).is_ascii_digit();
        if end > start && (joined || signed) {
            self.emit(start, end);
            self.at = end;
            return true;
        }
        // A whole number and a fraction: one token with a no-break space inside.
        let second = self.skip_spaces(end);
        if end > start && second > end {
            let numerator = digits(second);
            let denominator = if self.at(numerator) == '/' { digits(numerator + 1) } else { numerator };
            if numerator > second && denominator > numerator + 1 && !is_word(self.at(denominator)) {
                let mut token = self.slice(start, end).to_vec();
                token.push('\u{A0}');
                token.extend_from_slice(self.slice(second, denominator));
                self.out.push_chars(&token);
                self.at = denominator;
                return true;
            }
        }
        false
    }

    /// Web and mail addresses, up to the next space.
    fn address(&mut self) -> bool {
        if !self.peek(0).is_ascii_alphanumeric() {
            return false;
        }
        let end = self.mail(self.at).or_else(|| self.is_url(self.at).then(|| self.url(self.at)));
        if let Some(end) = end {
            self.emit(self.at, end);
            self.at = end;
        }
        end.is_some()
    }

    /// The end of a web address.
    fn url(&self, start: usize) -> usize {
        let mut end = start;
        while end < self.text.len() && !is_space(self.at(end)) && !is_apostrophe(self.at(end)) {
            end += 1;
        }
        while end > start && matches!(self.at(end - 1), '.' | ',' | '!' | '?' | ';' | ':' | '"' | ')' | '%' | '-' | '/')
        {
            end -= 1;
        }
        end
    }

    /// The end of a mail address: anything with an `@` inside, whether it is one or not.
    fn mail(&self, start: usize) -> Option<usize> {
        let stops = |c: char| is_space(c) || matches!(c, '"' | '<' | '>' | '|' | '(' | ')' | '{' | '}');
        let mut end = start;
        while end < self.text.len() && !stops(self.at(end)) {
            end += 1;
        }
        while end > start && self.at(end - 1) == '.' {
            end -= 1;
        }
        let inside = self.slice(start + 1, end.max(start + 2) - 1);
        inside.contains(&'@').then_some(end)
    }

    fn is_url(&self, start: usize) -> bool {
        let begins = |prefix: &str| {
            self.slice(start, start + prefix.len()).iter().map(char::to_ascii_lowercase).eq(prefix.chars())
        };
        begins("http://") || begins("https://") || begins("www.")
    }

    fn at(&self, at: usize) -> char {
        self.text.get(at).copied().unwrap_or(' ')
    }

    fn alnum_run(&self, mut at: usize) -> usize {
        let digit = self.at(at).is_ascii_digit();
        while is_word(self.at(at)) && !(digit && is_mark(self.at(at))) {
            at += 1;
        }
        at
    }

    fn emit(&mut self, from: usize, to: usize) {
        let token = self.text.get(from..to.min(self.text.len())).unwrap_or_default();
        if !token.is_empty() {
            self.out.push_chars(token);
        }
    }
}

fn compound(word: &[char]) -> Option<usize> {
    let same = |whole: &str| word.iter().map(char::to_ascii_lowercase).eq(whole.chars());
    COMPOUNDS.iter().find(|(whole, _)| same(whole)).map(|(_, cut)| *cut)
}

/// Letters, combining marks and digits, of any script.
fn is_word(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric(),
        false => matches!(class(c), Class::Word | Class::Mark),
    }
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && class(c) == Class::Mark
}

/// Decimal and thousands separators of Arabic.
fn is_arabic_separator(c: char) -> bool {
    matches!(c, '\u{66B}' | '\u{66C}')
}

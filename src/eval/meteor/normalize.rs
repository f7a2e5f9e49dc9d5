//! METEOR's own tokeniser (its `-norm` option), which sees captions that the Treebank tokeniser has already cleaned.

use super::resources::{Prefix, Resources};

/// Stands for the dots of an ellipsis while single full stops are looked at.
const DOT: char = '\u{E000}';

/// The normalised words of a caption, lower-case, joined by single spaces.
pub fn normalize(text: &str, resources: Option<&Resources>) -> String {
    if text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b' ') {
        return text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    }
    let text = separate_marks(text);
    let text = separate_commas(text);
    let text = plain_quotes(&text);
    let text = pass(&text, '-', |left| is_letter_or_digit(left) || left == '.', is_letter_or_digit, " ");
    let text = separate_apostrophes(text);
    let text: String = text.into_iter().collect();
    finish(&stops(&text, resources))
}

/// A hypothesis as coco-caption hands it over: its separator deleted and double spaces halved once.
pub(super) fn hypothesis_text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains("|||") || text.contains("  ") {
        text.replace("|||", "").replace("  ", " ").into()
    } else {
        text.into()
    }
}

/// METEOR's letters: Latin-1 and Latin Extended-A without the signs between, Cyrillic, phonetic extensions.
fn is_letter(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | 'Š' | 'Ž' | 'š' | 'ž' | 'Ÿ' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ž'
        | '\u{400}'..='\u{4FF}' | '\u{500}'..='\u{527}' | '\u{A640}'..='\u{A66E}' | '\u{A67E}'..='\u{A697}'
        | '\u{1D00}'..='\u{1D7F}')
}

fn is_letter_or_digit(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

fn is_ascii_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{B}' | '\u{C}' | '\r')
}

/// Steps 1 and 2: spaces around every mark that no later rule looks at, and around ellipses.
fn separate_marks(text: &str) -> Vec<char> {
    let mut out = vec![' '];
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let dots = chars.iter().skip(at).take_while(|&&c| c == '.').count();
        if dots >= 2 {
            out.push(' ');
            out.extend(std::iter::repeat_n(DOT, dots));
            out.push(' ');
            at += dots;
            continue;
        }
        at += 1;
        if is_letter_or_digit(c) || is_ascii_space(c) || matches!(c, '.' | '\'' | '`' | ',' | '-' | '‘' | '’') {
            out.push(c);
        } else {
            out.extend([' ', c, ' ']);
        }
    }
    out.push(' ');
    out
}

/// Step 3: a comma stays only between digits.
fn separate_commas(text: Vec<char>) -> Vec<char> {
    if !text.contains(&',') {
        return text;
    }
    let digit = |c: char| c.is_ascii_digit();
    let other = |c: char| !c.is_ascii_digit();
    let text = pass(&text, ',', other, other, " , ");
    let text = pass(&text, ',', digit, other, " , ");
    pass(&text, ',', other, digit, " , ")
}

/// Step 4: one kind of apostrophe, quote and hyphen.
fn plain_quotes(text: &[char]) -> Vec<char> {
    let single: Vec<char> = text.iter().map(|&c| if matches!(c, '`' | '‘' | '’') { '\'' } else { c }).collect();
    let mut out = Vec::with_capacity(single.len());
    let mut at = 0;
    while let Some(&c) = single.get(at) {
        let doubled = single.get(at + 1) == Some(&c);
        match c {
            '“' | '”' => out.extend([' ', '"', ' ']),
            '\'' if doubled => out.extend([' ', '"', ' ']),
            '–' => out.push('-'),
            _ => out.push(c),
        }
        at += if c == '\'' && doubled { 2 } else { 1 };
    }
    let mut halved = Vec::with_capacity(out.len());
    let mut at = 0;
    while let Some(&c) = out.get(at) {
        halved.push(c);
        at += if c == '-' && out.get(at + 1) == Some(&'-') { 2 } else { 1 };
    }
    halved
}

/// Step 6.
fn separate_apostrophes(text: Vec<char>) -> Vec<char> {
    if !text.contains(&'\'') {
        return text;
    }
    let other = |c: char| !is_letter(c);
    let text = pass(&text, '\'', other, other, " ' ");
    let text = pass(&text, '\'', |c| !is_letter_or_digit(c), is_letter, " ' ");
    let text = pass(&text, '\'', is_letter, other, " ' ");
    let text = pass(&text, '\'', is_letter, is_letter, " '");
    pass(&text, '\'', |c| c.is_ascii_digit(), |c| c == 's', " '")
}

/// Replaces `middle` between a `left` and a `right` character. One pass from left to right whose matches do not
/// overlap: the right character of one is not the left character of the next.
fn pass(text: &[char], middle: char, left: impl Fn(char) -> bool, right: impl Fn(char) -> bool, by: &str) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + 8);
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        out.push(c);
        at += 1;
        if let (Some(&next), Some(&after)) = (text.get(at), text.get(at + 1))
            && next == middle
            && left(c)
            && right(after)
        {
            out.extend(by.chars());
            out.push(after);
            at += 2;
        }
    }
    out
}

/// Step 7: full stops at the ends of words.
fn stops(text: &str, resources: Option<&Resources>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut tokens = text.split(is_ascii_space).filter(|token| !token.is_empty()).peekable();
    while let Some(token) = tokens.next() {
        if !out.is_empty() {
            out.push(' ');
        }
        match token.strip_suffix('.').filter(|before| !before.is_empty()) {
            None => out.push_str(token),
            Some(before) if before.contains('.') && before.chars().any(is_letter) => {
                out.extend(before.chars().filter(|&c| c != '.'));
            }
            Some(before) => {
                let next = tokens.peek().and_then(|next| next.chars().next());
                let prefix = resources.and_then(|resources| resources.prefix(before));
                let keep = prefix == Some(Prefix::Always)
                    || next.is_some_and(|c| c.is_ascii_lowercase())
                    || (prefix == Some(Prefix::BeforeNumber) && next.is_some_and(|c| c.is_ascii_digit()));
                out.push_str(if keep { token } else { before });
                if !keep {
                    out.push_str(" .");
                }
            }
        }
    }
    out
}

/// Step 8: single spaces, lower case, dots restored.
fn finish(text: &str) -> String {
    let wide = |c: char| matches!(c, '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}');
    let lower = text.replace(DOT, ".").to_lowercase();
    let words: Vec<&str> = lower.split(|c| is_ascii_space(c) || wide(c)).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_apostrophes_hyphens_and_stops_come_apart_as_in_meteor() {
        let plain = |text| normalize(text, None);
        assert_eq!(plain("a plane 's wing"), "a plane ' s wing");
        assert_eq!(plain("plane's"), "plane 's");
        assert_eq!(plain("a-b-c"), "a b-c");
        assert_eq!(plain("1,500 a, b"), "1,500 a , b");
        assert_eq!(plain("u.s. base"), "us base");
        assert_eq!(plain("the end."), "the end .");
        assert_eq!(plain("wait... no"), "wait ... no");
        assert_eq!(plain("50% & -lrb-"), "50 % & -lrb-");
        assert_eq!(plain(""), "");
    }

    #[test]
    fn a_hypothesis_loses_its_separators_and_half_of_its_double_spaces() {
        assert_eq!(hypothesis_text("a ||| b   c"), "a b  c");
    }
}

//! NLTK's `word_tokenize`: punctuation and clitics stand apart, a full stop does so at the end of a sentence.
//!
//! Deviation: sentences end at `.`, `?` or `!` before white space, where NLTK asks its trained Punkt model.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// What is replaced by what, one after the other.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        ("([«“‘„]|`+)", " $1 "),
        (r#"^""#, "``"),
        ("(``)", " $1 "),
        (r#"([ (\[{<])("|'{2})"#, "$1 `` "),
        (r#"([^.])(\.)([\])}>"' »”’]*)\s*$"#, "$1 $2 $3 "),
        (r"([:,])(\D)", " $1 $2"),
        ("([:,])$", " $1 "),
        (r"\.{2,}", " $0 "),
        ("[;@#$%&\u{2012}-\u{2015}?!*]", " $0 "),
        ("([^'])' ", "$1 ' "),
        (r"[\]\[(){}<>]", " $0 "),
        ("--", " -- "),
        ("$", " "),
        ("([»”’])", " $1 "),
        (r#"''|""#, " '' "),
        (r"\s+", " "),
        ("([^' ])('[sSmMdD]|') ", "$1 $2 "),
        ("([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "),
        (r"(?i)\b(can)(not)\b", " $1 $2 "),
        (r"(?i)\b(gim|lem)(me)\b", " $1 $2 "),
        (r"(?i)\b(gon|wan)(na)\b", " $1 $2 "),
        (r"(?i)\b(got)(ta)\b", " $1 $2 "),
    ];
    rules.into_iter().filter_map(|(pattern, to)| Some((Regex::new(pattern).ok()?, to))).collect()
});

/// An apostrophe before a word that is no clitic opens a quotation.
static OPENING: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(^|\W)'(\w+)").ok());

pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && matches!(before, '.' | '?' | '!') {
            sentence(text.get(start..at).unwrap_or_default(), &mut tokens);
            start = at;
        }
        before = c;
    }
    sentence(text.get(start..).unwrap_or_default(), &mut tokens);
    tokens
}

fn sentence(text: &str, tokens: &mut Vec<String>) {
    let mut text = text.trim().to_owned();
    for (at, (pattern, to)) in RULES.iter().enumerate() {
        // After the quotation marks that open, before all else.
        if let (4, Some(opening)) = (at, OPENING.as_ref()) {
            text = opening.replace_all(&text, |found: &Captures<'_>| opened(found)).into_owned();
        }
        text = pattern.replace_all(&text, *to).into_owned();
    }
    tokens.extend(text.split_whitespace().map(str::to_owned));
}

fn opened(found: &Captures<'_>) -> String {
    let group = |at| found.get(at).map_or("", |found| found.as_str());
    let clitic = ["re", "ve", "ll", "m", "t", "s", "d", "n"].iter().any(|clitic| clitic.eq_ignore_ascii_case(group(2)));
    format!("{}'{}{}", group(1), if clitic { "" } else { " " }, group(2))
}

//! How the protocols find words.

use super::porter::stem;

/// rouge-score's tokens: lower case, runs of anything but a-z and 0-9 are spaces, words of more than three letters
/// stemmed where asked for.
pub(super) fn rouge_score(text: &str, stemmed: bool) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).filter(|word| !word.is_empty());
    words.map(|word| if stemmed && word.len() > 3 { stem(word) } else { word.to_owned() }).collect()
}

/// Words between white space, as Python's `str.split()` finds them.
pub(super) fn spaced(text: &str) -> Vec<String> {
    crate::ngrams::split_unicode(text).map(str::to_owned).collect()
}

/// NLTK's `word_tokenize` as far as captions need it: punctuation and clitics stand apart, a full stop does so at the
/// end of a sentence.
///
/// Deviation: sentences end at `.`, `?` or `!` before white space, where NLTK asks its trained Punkt model.
pub(super) fn treebank(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in spaced(text) {
        let mut rest = word.as_str();
        let mut after = Vec::new();
        while let Some(first) = rest.chars().next().filter(|&first| is_apart(first)) {
            tokens.push(first.to_string());
            rest = rest.strip_prefix(first).unwrap_or_default();
        }
        while let Some(last) = rest.chars().next_back().filter(|&last| last == '.' || is_apart(last)) {
            after.push(last.to_string());
            rest = rest.strip_suffix(last).unwrap_or_default();
        }
        inner(rest, &mut tokens);
        tokens.extend(after.into_iter().rev());
    }
    tokens
}

/// What Treebank tokenisation parts from the word beside it, wherever it stands.
fn is_apart(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | '?' | '!' | '"' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '@' | '#' | '$' | '%' | '&')
}

/// A word without punctuation at its ends: commas parted unless a digit follows, clitics cut off.
fn inner(word: &str, tokens: &mut Vec<String>) {
    const CLITICS: [&str; 7] = ["n't", "'s", "'m", "'d", "'ll", "'re", "'ve"];
    let mut start = 0;
    for (at, c) in word.char_indices() {
        let end = at + c.len_utf8();
        let digit = word.get(end..).and_then(|rest| rest.chars().next()).is_some_and(|next| next.is_ascii_digit());
        if is_apart(c) && !(matches!(c, ',' | ':') && digit) {
            tokens.extend(word.get(start..at).filter(|part| !part.is_empty()).map(str::to_owned));
            tokens.push(c.to_string());
            start = end;
        }
    }
    let last = word.get(start..).unwrap_or_default();
    let clitic = CLITICS.iter().find_map(|clitic| {
        let at = last.len().checked_sub(clitic.len()).filter(|at| *at > 0)?;
        last.get(at..)?.eq_ignore_ascii_case(clitic).then_some(at)
    });
    let (head, tail) = clitic.and_then(|at| last.split_at_checked(at)).unwrap_or((last, ""));
    tokens.extend([head, tail].into_iter().filter(|part| !part.is_empty()).map(str::to_owned));
}

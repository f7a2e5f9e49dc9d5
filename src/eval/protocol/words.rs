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

//! Words that keep their full stop.

/// What a known abbreviation asks of what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abbreviation {
    /// Keeps its stop anywhere.
    Always,
    /// Keeps its stop only before a number: `no. 5`.
    BeforeNumber,
}

/// Abbreviations in any case.
const ALWAYS: &[&str] = &[
    "adm", "al", "ala", "alex", "apr", "ariz", "assn", "assoc", "asst", "atty", "aug", "ave", "bldg", "blvd", "brig",
    "bros", "calif", "capt", "cf", "cmdr", "co", "col", "colo", "comdr", "conn", "corp", "cos", "cpl", "ct", "dak",
    "dec", "dept", "det", "dr", "drs", "esq", "est", "etc", "ext", "feb", "fla", "fri", "ft", "ga", "gen", "gov",
    "govs", "hon", "inc", "ind", "insp", "intl", "jan", "jos", "jr", "jul", "jun", "kan", "kans", "ky", "lieut", "lt",
    "ltd", "maj", "mar", "md", "messrs", "mfg", "mich", "minn", "mlle", "mme", "mo", "mon", "mont", "mr", "mrs", "ms",
    "mt", "natl", "neb", "nev", "nov", "oct", "okla", "penn", "pfc", "ph", "plc", "pres", "prof", "pvt", "rd", "rep",
    "reps", "rev", "rt", "sen", "sens", "sep", "sept", "seq", "sgt", "sq", "sr", "st", "ste", "supt", "sys", "tel",
    "tenn", "thu", "thurs", "treas", "tue", "tues", "univ", "va", "vs", "vt", "wed", "wis", "wisc", "wm", "wyo",
];

/// Abbreviations only with a capital: words of their own otherwise (`car wash.`).
const CAPITALISED: &[&str] = &["ark", "del", "ill", "la", "mass", "miss", "ore", "pa", "tex", "wash"];

/// Abbreviations only before a number.
const BEFORE_NUMBER: &[&str] = &["art", "ca", "fig", "figs", "no", "nos", "op", "p", "pp", "prop"];

/// Words that, with a capital, begin a sentence, so that a letter before them was no initial: `reads K. The`.
const SENTENCE_STARTS: &[&str] = &[
    "a",
    "according",
    "after",
    "an",
    "as",
    "at",
    "but",
    "he",
    "her",
    "here",
    "however",
    "if",
    "in",
    "it",
    "last",
    "many",
    "now",
    "once",
    "one",
    "other",
    "our",
    "she",
    "since",
    "so",
    "some",
    "such",
    "that",
    "the",
    "their",
    "then",
    "there",
    "these",
    "they",
    "this",
    "we",
    "what",
    "when",
    "while",
    "you",
];

/// Looks a word (without its stop) up.
pub(super) fn find(word: &[char]) -> Option<Abbreviation> {
    let mut buffer = [0; 9];
    let lower = lower(word, &mut buffer)?;
    let capital = word.first().is_some_and(char::is_ascii_uppercase);
    if ALWAYS.binary_search(&lower).is_ok() || (capital && CAPITALISED.binary_search(&lower).is_ok()) {
        Some(Abbreviation::Always)
    } else if BEFORE_NUMBER.binary_search(&lower).is_ok() {
        Some(Abbreviation::BeforeNumber)
    } else {
        None
    }
}

/// Whether a word begins a sentence.
pub(super) fn starts_sentence(word: &[char]) -> bool {
    let mut buffer = [0; 9];
    word.first().is_some_and(char::is_ascii_uppercase)
        && lower(word, &mut buffer).is_some_and(|lower| SENTENCE_STARTS.binary_search(&lower).is_ok())
}

/// A short ASCII word in lower case.
fn lower<'b>(word: &[char], buffer: &'b mut [u8; 9]) -> Option<&'b str> {
    let lower = buffer.get_mut(..word.len())?;
    for (byte, &c) in lower.iter_mut().zip(word) {
        *byte = u8::try_from(c).ok().filter(u8::is_ascii)?.to_ascii_lowercase();
    }
    std::str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_for_their_search() {
        for list in [ALWAYS, CAPITALISED, BEFORE_NUMBER, SENTENCE_STARTS] {
            assert!(list.is_sorted());
        }
    }
}

//! How a sentence of a caption file becomes words.

use super::captions::Sentence;
use crate::data::{TextField, VocabularyConfig};

/// The words of a sentence by the vocabulary's rules.
///
/// `tokens` are taken one by one, `raw` is cut at white space; a sentence that has only one of the two fields gives
/// that one. With `strip_punctuation`, words without a letter or digit go, and `raw` words lose the punctuation at
/// their ends ("clearing," -> "clearing", "two-storey" stays).
pub fn words(sentence: &Sentence, field: TextField, rules: &VocabularyConfig) -> Vec<String> {
    let (tokens, raw) = chosen(sentence, field);
    let finish = |word: &str| {
        let kept = !word.is_empty() && (!rules.strip_punctuation || word.contains(char::is_alphanumeric));
        kept.then(|| if rules.lowercase { word.to_lowercase() } else { word.to_owned() })
    };
    match tokens {
        Some(tokens) => tokens.iter().filter_map(|token| finish(token.trim())).collect(),
        None => raw
            .split_whitespace()
            .map(|word| if rules.strip_punctuation { word.trim_matches(|c: char| !c.is_alphanumeric()) } else { word })
            .filter_map(finish)
            .collect(),
    }
}

/// The sentence as the scorers get it: the chosen field untouched, tokens joined by spaces.
pub fn text(sentence: &Sentence, field: TextField) -> String {
    match chosen(sentence, field) {
        (Some(tokens), _) => tokens.join(" "),
        (None, raw) => raw.trim().to_owned(),
    }
}

/// Tokens if they are what was chosen or all there is, else the raw text.
fn chosen(sentence: &Sentence, field: TextField) -> (Option<&[String]>, &str) {
    let raw = sentence.raw.as_deref();
    match (field, &sentence.tokens) {
        (TextField::Tokens, Some(tokens)) => (Some(tokens), ""),
        (TextField::Raw, Some(tokens)) if raw.is_none() => (Some(tokens), ""),
        _ => (None, raw.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence() -> Sentence {
        Sentence {
            tokens: Some(["Two", "planes", "."].map(String::from).to_vec()),
            raw: Some("Two planes, on a (two-lane) runway .".into()),
        }
    }

    #[test]
    fn tokens_and_raw_follow_the_rules() {
        let rules = VocabularyConfig::default();
        assert_eq!(words(&sentence(), TextField::Tokens, &rules), ["two", "planes"]);
        assert_eq!(words(&sentence(), TextField::Raw, &rules), ["two", "planes", "on", "a", "two-lane", "runway"]);
        let plain = VocabularyConfig { lowercase: false, strip_punctuation: false, ..rules };
        assert_eq!(words(&sentence(), TextField::Tokens, &plain), ["Two", "planes", "."]);
        assert_eq!(words(&sentence(), TextField::Raw, &plain)[1], "planes,");
    }

    #[test]
    fn the_scorers_get_the_chosen_field_untouched() {
        assert_eq!(text(&sentence(), TextField::Tokens), "Two planes .");
        assert_eq!(text(&sentence(), TextField::Raw), "Two planes, on a (two-lane) runway .");
    }

    #[test]
    fn a_sentence_with_one_field_gives_that_one() {
        let rules = VocabularyConfig::default();
        let raw = Sentence { tokens: None, ..sentence() };
        let tokens = Sentence { raw: None, ..sentence() };
        assert_eq!(words(&raw, TextField::Tokens, &rules)[5], "runway");
        assert_eq!(words(&tokens, TextField::Raw, &rules), ["two", "planes"]);
        assert!(words(&Sentence::default(), TextField::Raw, &rules).is_empty());
    }
}

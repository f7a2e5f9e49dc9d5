//! Base forms by WordNet's rules of detachment, in METEOR's order.

const RULES: [(&str, &str); 20] = [
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("s", ""),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
];

/// The base form of a word; `None` where no rule gives a lemma.
pub(super) fn base_form(word: &str, is_lemma: impl Fn(&str) -> bool) -> Option<String> {
    if word.ends_with("ss") || word.chars().count() <= 2 {
        return Some(word.to_owned());
    }
    let (word, ending) = match word.strip_suffix("ful") {
        Some(stem) => (stem, "ful"),
        None => (word, ""),
    };
    RULES.iter().find_map(|(suffix, replacement)| {
        let mut base = word.strip_suffix(suffix)?.to_owned();
        base.push_str(replacement);
        is_lemma(&base).then(|| base + ending)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_gives_a_lemma_wins() {
        let lemmas = ["box", "boxe", "fire", "man", "city", "large"];
        let base = |word| base_form(word, |base| lemmas.contains(&base));
        assert_eq!(base("boxes").as_deref(), Some("boxe"));
        assert_eq!(base("firemen"), None);
        assert_eq!(base("men").as_deref(), Some("man"));
        assert_eq!(base("cities").as_deref(), Some("city"));
        assert_eq!(base("largest").as_deref(), Some("large"));
        assert_eq!(base("boxesful").as_deref(), Some("boxeful"));
        assert_eq!(base("glass").as_deref(), Some("glass"));
        assert_eq!(base("is").as_deref(), Some("is"));
        assert_eq!(base("xyzzy"), None);
    }
}

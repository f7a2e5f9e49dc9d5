//! Words of a vocabulary that mean the same, by the WordNet part of METEOR's resources.

use crate::data::Vocabulary;
use crate::data::augment::Synonyms;
use crate::eval::meteor::Resources;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// Synonyms among the vocabulary's content words; others would be unknown to a model. An error where there are no
/// resources.
pub(super) fn of_vocabulary(vocabulary: &Vocabulary) -> Result<Synonyms> {
    match Resources::open_default()? {
        Some(resources) => Ok(among(vocabulary.words(), &resources)),
        None => bail!(
            "synonym replacement needs WordNet data, which is not in the cache; run 'make metrics-data' or set \
             model.cssa.augment.text.synonyms to 0"
        ),
    }
}

fn among(words: &[String], resources: &Resources) -> Synonyms {
    let content = || words.iter().filter(|word| !resources.is_function_word(word) && !word.starts_with('<'));
    let synsets_of = |word: &str| {
        let mut synsets = Vec::new();
        resources.synsets(word, &mut synsets);
        synsets
    };
    let mut members: BTreeMap<u32, Vec<&String>> = BTreeMap::new();
    for word in content() {
        for synset in synsets_of(word) {
            members.entry(synset).or_default().push(word);
        }
    }
    let mut found = Synonyms::new();
    for word in content() {
        let sharing = synsets_of(word).into_iter().filter_map(|synset| members.get(&synset)).flatten();
        let mut others: Vec<String> = sharing.filter(|other| **other != word).map(|&other| other.clone()).collect();
        others.sort_unstable();
        others.dedup();
        if !others.is_empty() {
            found.insert(word.clone(), others);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_common_synset_are_synonyms_of_each_other() {
        let Ok(Some(resources)) = Resources::open_default() else {
            eprintln!("no word resources in the cache: nothing to test");
            return;
        };
        let words = ["<pad>", "the", "road", "route", "big", "large", "qqq"].map(String::from);
        let found = among(&words, &resources);
        assert_eq!(found.get("road"), Some(&vec!["route".to_owned()]));
        assert_eq!(found.get("large"), Some(&vec!["big".to_owned()]));
        assert!(!found.contains_key("the") && !found.contains_key("qqq") && !found.contains_key("<pad>"));
    }
}

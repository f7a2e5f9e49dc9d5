//! What a drawn caption is worth: a weighted sum of metrics against the training references.

use crate::eval::{MetricSet, References, Scores, tokenize_all};
use crate::train::RewardConfig;
use crate::util::fs::sha256;
use anyhow::{Context, Result};

/// Stands behind every caption that has ended, as a word, so that captions cut short score less.
const ENDED: &str = " <end>";

/// Scores captions against the references of images, with the document frequencies of all of these.
pub(super) struct Reward {
    config: RewardConfig,
    /// For the metrics of n-grams: `<end>` is a word.
    ended: References,
    /// For METEOR and SPICE, where asked for, which know words alone.
    words: Option<References>,
    /// SHA-256 of the references as they are counted.
    pub(super) references_sha256: String,
}

impl Reward {
    /// `captions`: the references of each image as the scorers get them.
    pub(super) fn new(config: RewardConfig, captions: &[Vec<String>]) -> Self {
        let cleaned: Vec<Vec<String>> = captions.iter().map(|captions| tokenize_all(captions)).collect();
        let ended: Vec<Vec<String>> = cleaned
            .iter()
            .map(|captions| captions.iter().map(|caption| format!("{caption}{ENDED}")).collect())
            .collect();
        let counted: Vec<String> = ended.iter().map(|captions| captions.join("\n")).collect();
        let by_words = config.meteor > 0.0 || config.spice > 0.0;
        Self {
            config,
            references_sha256: sha256(counted.join("\n\n").as_bytes()),
            ended: References::from_tokenized(&ended),
            words: by_words.then(|| References::from_tokenized(&cleaned)),
        }
    }

    /// The reward of each caption, with whether it ended, against the image of its number.
    pub(super) fn score(&self, captions: &[(String, bool)], images: &[usize]) -> Result<Vec<f64>> {
        let config = &self.config;
        let cleaned = tokenize_all(&captions.iter().map(|(caption, _)| caption).collect::<Vec<_>>());
        let ended: Vec<String> = cleaned
            .iter()
            .zip(captions)
            .map(|(caption, (_, ended))| format!("{caption}{}", if *ended { ENDED } else { "" }))
            .collect();
        let by_ngrams = MetricSet {
            cider: config.cider > 0.0,
            bleu: config.bleu_4 > 0.0,
            rouge_l: config.rouge_l > 0.0,
            ..MetricSet::NONE
        };
        let mut rewards = vec![0.0; captions.len()];
        self.add(&mut rewards, &self.ended.score_each(&ended, images, by_ngrams)?)?;
        if let Some(words) = &self.words {
            let by_words = MetricSet { meteor: config.meteor > 0.0, spice: config.spice > 0.0, ..MetricSet::NONE };
            self.add(&mut rewards, &words.score_each(&cleaned, images, by_words)?)?;
        }
        Ok(rewards)
    }

    /// Adds the weighted scores that are there.
    fn add(&self, rewards: &mut [f64], scores: &[Scores]) -> Result<()> {
        for (metric, weight) in self.config.weights() {
            let fits =
                |name: &str| name == metric || name.strip_prefix(metric).is_some_and(|rest| rest.starts_with(" ("));
            if weight == 0.0 || !scores.first().is_some_and(|scores| scores.names().any(fits)) {
                continue;
            }
            for (reward, scores) in rewards.iter_mut().zip(scores) {
                let name = scores.names().find(|name| fits(name)).context("a metric without a score")?;
                *reward += weight * scores.get(name).unwrap_or_default();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references() -> Vec<Vec<String>> {
        let of = |captions: &[&str]| captions.iter().map(ToString::to_string).collect();
        vec![of(&["A plane on the runway .", "a plane"]), of(&["many green trees"]), of(&["a road"])]
    }

    fn caption(text: &str, ended: bool) -> (String, bool) {
        (text.to_owned(), ended)
    }

    #[test]
    fn the_end_of_a_caption_counts_as_a_word_and_document_frequencies_are_those_of_all_references() {
        let reward = Reward::new(RewardConfig::default(), &references());
        let captions =
            [caption("many green trees", true), caption("many green trees", false), caption("a plane", true)];
        let found = reward.score(&captions, &[1, 1, 1]).unwrap();
        assert!(found[0] > found[1] && found[1] > 0.0, "{found:?}");
        assert_eq!(found[2], 0.0, "its only common word, the end, is in every image");
        let alone = References::from_tokenized(&[
            vec!["a plane on the runway <end>".to_owned(), "a plane <end>".into()],
            vec!["many green trees <end>".into()],
            vec!["a road <end>".into()],
        ]);
        let texts = ["a plane <end>", "many green trees <end>", "a road <end>"].map(str::to_owned);
        let expected: Vec<f64> = alone
            .score_tokenized(&texts, MetricSet { cider: true, ..MetricSet::NONE })
            .unwrap()
            .images
            .iter()
            .map(|scores| scores.get("CIDEr").unwrap())
            .collect();
        let captions = ["a plane", "many green trees", "a road"].map(|text| caption(text, true));
        assert_eq!(reward.score(&captions, &[0, 1, 2]).unwrap(), expected);
    }

    #[test]
    fn rewards_are_weighted_sums_and_the_hash_tells_references_apart() {
        let config = RewardConfig { cider: 0.0, bleu_4: 0.5, rouge_l: 2.0, ..RewardConfig::default() };
        let reward = Reward::new(config, &references());
        let found = reward.score(&[caption("a plane on the runway", true)], &[0]).unwrap();
        assert!((found[0] - 2.5).abs() < 1e-6, "a reference scores 1 by both: {found:?}");
        let mut others = references();
        others[2][0].push_str(" here");
        assert_ne!(reward.references_sha256, Reward::new(config, &others).references_sha256);
        assert!(reward.score(&[caption("a road", true)], &[7]).is_err());
    }
}

//! What a score was computed with, on one line, as sacreBLEU does it: two equal lines mean comparable scores.

use crate::protocol::{Protocol, Smoothing};
use crate::{MetricSet, References};
use sha2::{Digest, Sha256};
use std::fmt;

/// `rsic:0.1.0|protocol:coco|images:210|references:5|sha256:1a2b3c4d5e6f|cider:d|...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature(Vec<(&'static str, String)>);

/// Which metrics had the tables of synonyms (and METEOR that of paraphrases).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tables {
    pub meteor: bool,
    pub spice: bool,
}

impl Tables {
    /// Those that images were scored with.
    pub fn of(prepared: &References) -> Self {
        let there = |has: Option<bool>| has == Some(true);
        Self { meteor: there(prepared.meteor_has_resources()), spice: there(prepared.spice_has_resources()) }
    }
}

impl Signature {
    /// `images`: id and raw references of each image that was scored, in any order.
    pub fn new<'i>(
        protocol: Protocol,
        smoothing: Smoothing,
        metrics: MetricSet,
        images: impl IntoIterator<Item = (String, &'i [String])>,
        tables: Tables,
    ) -> Self {
        let mut images: Vec<(String, &[String])> = images.into_iter().collect();
        images.sort();
        let mut fields = vec![
            ("rsic", env!("CARGO_PKG_VERSION").to_owned()),
            ("protocol", protocol.name().to_owned()),
            ("images", images.len().to_string()),
            ("references", span(images.iter().map(|(_, captions)| captions.len()))),
            ("sha256", hash(&images)),
        ];
        if protocol == Protocol::Nltk && metrics.bleu {
            fields.push(("smoothing", smoothing.name().to_owned()));
        }
        if metrics.meteor {
            let (version, more) =
                if protocol.is_coco() { ("1.5", "+synonyms+paraphrases") } else { ("nltk", "+synonyms") };
            fields.push(("meteor", format!("{version}{}", if tables.meteor { more } else { "" })));
        }
        if metrics.cider && protocol.is_coco() {
            fields.push(("cider", "d".to_owned()));
        }
        if metrics.spice && protocol.is_coco() {
            fields.push(("spice", format!("native{}", if tables.spice { "+synonyms" } else { "" })));
        }
        Self(fields)
    }
}

impl Signature {
    /// Says that these are not all the images that have references.
    #[must_use]
    pub fn of_more(mut self, images: usize) -> Self {
        let after = self.0.iter().position(|(name, _)| *name == "images").map_or(self.0.len(), |place| place + 1);
        self.0.insert(after, ("of", images.to_string()));
        self
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}:{value}", if place > 0 { "|" } else { "" })?;
        }
        Ok(())
    }
}

/// `5`, or `4-6` where the numbers differ.
fn span(counts: impl Iterator<Item = usize> + Clone) -> String {
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    if least == most { least.to_string() } else { format!("{least}-{most}") }
}

/// The first 12 digits of a hash over ids and captions, each with its length before it.
fn hash(images: &[(String, &[String])]) -> String {
    let mut hasher = Sha256::new();
    let mut add = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    for (id, captions) in images {
        add(id);
        add(&captions.len().to_string());
        captions.iter().for_each(|caption| add(caption));
    }
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_images_is_no_matter_and_every_caption_is() {
        let (a, b) = (["x".to_owned(), "y".to_owned()], ["z".to_owned()]);
        let of = |images: Vec<(&str, &[String])>| {
            let images = images.into_iter().map(|(id, captions)| (id.to_owned(), captions));
            let images: Vec<_> = images.collect();
            Signature::new(Protocol::Nltk, Smoothing::default(), MetricSet::SM, images, Tables::default()).to_string()
        };
        let text = of(vec![("1", &a), ("2", &b)]);
        assert_eq!(text, of(vec![("2", &b), ("1", &a)]));
        assert!(text.contains("|protocol:nltk|images:2|references:1-2|sha256:"), "{text}");
        assert!(text.ends_with("|smoothing:method0|meteor:nltk"), "{text}");
        assert_ne!(text, of(vec![("2", &a), ("1", &b)]));
        assert_ne!(text, of(vec![("1", &a), ("2", &["z ".to_owned()])]));
    }

    #[test]
    fn the_tables_that_change_a_score_change_the_line() {
        let of = |protocol, tables| {
            Signature::new(protocol, Smoothing::default(), MetricSet::ALL, Vec::new(), tables).to_string()
        };
        let tables = Tables { meteor: true, spice: false };
        assert!(of(Protocol::Coco, tables).ends_with("|meteor:1.5+synonyms+paraphrases|cider:d|spice:native"));
        assert!(of(Protocol::MeanOverReferences, tables).ends_with("|meteor:nltk+synonyms"));
        assert_ne!(of(Protocol::Nltk, tables), of(Protocol::Nltk, Tables::default()));
    }
}

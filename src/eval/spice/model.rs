//! The tagger, lemmatiser and parser together, and the file that holds them.

use super::beam::search;
use super::convert::{self, Arc};
use super::graph::{Graph, Label, Word};
use super::lemma::Lemmas;
use super::linear::{Packed, Trainer};
use super::parser::{Kinds, Parser, Tagged};
use super::tagger::{Lexicon, Tagger, Tokens};

/// Beam widths of the tagger and the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    pub tagger: usize,
    pub parser: usize,
}

impl Default for Widths {
    fn default() -> Self {
        Self { tagger: 4, parser: 8 }
    }
}

/// What analyses captions.
#[derive(Debug, Default)]
pub struct Analyser {
    pub tags: Vec<String>,
    pub lexicon: Lexicon,
    pub lemmas: Lemmas,
    pub parser: Parser,
    pub tag_weights: Packed,
    pub parse_weights: Packed,
    pub widths: Widths,
}

/// What the parser needs to know of the tags.
pub fn kinds(tags: &[String]) -> Kinds {
    let bits = |names: &[&str]| {
        tags.iter().enumerate().filter(|(_, tag)| names.contains(&tag.as_str())).map(|(place, _)| 1u64 << place).sum()
    };
    Kinds {
        finite: bits(&["VBZ", "VBP", "VBD", "MD"]),
        conjunctions: bits(&["CC"]),
        open: bits(&[
            "NN", "NNS", "NNP", "NNPS", "JJ", "JJR", "JJS", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "CD", "FW",
        ]),
    }
}

impl Analyser {
    /// The tags of some words, as places in the list of tags.
    pub fn tag(&self, words: &[&str]) -> Vec<u8> {
        let tokens = Tokens::new(words, &self.lexicon, Vec::new());
        search(&Tagger, &tokens, &self.tag_weights, self.widths.tagger).tags
    }

    pub fn parse(&self, words: &[&str], tags: &[u8]) -> Vec<Arc> {
        let tagged = Tagged::new(words, tags, kinds(&self.tags), Vec::new());
        search(&self.parser, &tagged, &self.parse_weights, self.widths.parser).tree()
    }

    /// The graph of a cleaned caption.
    pub fn graph(&self, caption: &str) -> Graph {
        let words: Vec<&str> = caption.split_whitespace().collect();
        let tags = self.tag(&words);
        let tree = self.parse(&words, &tags);
        let words = words.iter().zip(&tags).map(|(word, &tag)| {
            let tag = self.tags.get(usize::from(tag)).cloned().unwrap_or_default();
            Word { text: (*word).to_owned(), lemma: self.lemmas.lemma(word, &tag), tag }
        });
        convert::graph(words.collect(), &tree)
    }
}

//! The tagger, lemmatiser and parser together, and the file that holds them.

use super::beam::search;
use super::cleanup;
use super::convert::{self, Arc};
use super::graph::{Graph, Label, Word};
use super::lemma::Lemmas;
use super::linear::{ACTIONS, Packed, take};
use super::parser::{Kinds, Parser, Tagged};
use super::tagger::{Lexicon, Tagger, Tokens};
use super::tuples::{Tuple, tuples};
use anyhow::{Context, Result};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::OnceLock;

/// Words of a caption that are read; no caption of a dataset comes near.
const LONGEST: usize = 500;

const MAGIC: &[u8; 8] = b"RSICSPC1";

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
        let words: Vec<&str> = caption.split_whitespace().take(LONGEST).collect();
        let tags = self.tag(&words);
        let tree = self.parse(&words, &tags);
        let words = words.iter().zip(&tags).map(|(word, &tag)| {
            let tag = self.tags.get(usize::from(tag)).cloned().unwrap_or_default();
            Word { text: (*word).to_owned(), lemma: self.lemmas.lemma(word, &tag), tag }
        });
        convert::graph(words.collect(), &tree)
    }
}

impl Analyser {
    /// The analyser in the binary, read when it is first asked for. `docs/spice.md` says how it was trained.
    ///
    /// # Errors
    /// A damaged model.
    pub fn built_in() -> Result<&'static Self> {
        static READ: OnceLock<Option<Analyser>> = OnceLock::new();
        let read = READ.get_or_init(|| Analyser::from_bytes(include_bytes!("captions.model")));
        read.as_ref().context("the SPICE model in this program is damaged")
    }

    /// The tuples of a cleaned caption.
    pub fn tuples(&self, caption: &str) -> Vec<Tuple> {
        let mut graph = self.graph(caption);
        cleanup::clean_up(&mut graph);
        tuples(&graph)
    }

    /// The model file: magic, then everything else, deflated.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut plain = Vec::new();
        plain.extend([self.widths.tagger as u8, self.widths.parser as u8]);
        strings(&mut plain, self.tags.iter().map(String::as_str));
        plain.extend(self.lexicon.open.to_le_bytes());
        let known: BTreeMap<u32, u64> = self.lexicon.known.iter().map(|(word, tags)| (*word, *tags)).collect();
        plain.extend((known.len() as u32).to_le_bytes());
        known.keys().for_each(|word| plain.extend(word.to_le_bytes()));
        known.values().for_each(|tags| plain.extend(tags.to_le_bytes()));
        let (edits, keys) = self.lemmas.parts();
        plain.push(edits.len() as u8);
        edits.iter().for_each(|(cut, _)| plain.push(*cut));
        strings(&mut plain, edits.iter().map(|(_, add)| add.as_str()));
        plain.extend((keys.len() as u32).to_le_bytes());
        keys.keys().for_each(|key| plain.extend(key.to_le_bytes()));
        plain.extend(keys.values());
        for side in [&self.parser.left, &self.parser.right] {
            strings(&mut plain, side.iter().map(|label| label.name()));
        }
        self.tag_weights.write(&mut plain);
        self.parse_weights.write(&mut plain);
        let mut deflated = DeflateEncoder::new(MAGIC.to_vec(), Compression::best());
        deflated.write_all(&plain)?;
        Ok(deflated.finish()?)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) made; `None` where it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut plain = Vec::new();
        DeflateDecoder::new(bytes.strip_prefix(MAGIC)?).read_to_end(&mut plain).ok()?;
        let from = &mut plain.as_slice();
        let widths = take(from, 2)?;
        let widths = Widths { tagger: usize::from(widths[0].max(1)), parser: usize::from(widths[1].max(1)) };
        let tags = read_strings(from)?;
        let open = u64::from_le_bytes(take(from, 8)?.try_into().ok()?);
        let count = u32::from_le_bytes(take(from, 4)?.try_into().ok()?) as usize;
        let words = take(from, count.checked_mul(4)?)?.chunks_exact(4);
        let bits = take(from, count.checked_mul(8)?)?.chunks_exact(8);
        let known = words
            .zip(bits)
            .map(|(word, bits)| {
                Some((u32::from_le_bytes(word.try_into().ok()?), u64::from_le_bytes(bits.try_into().ok()?)))
            })
            .collect::<Option<_>>()?;
        let count = usize::from(take(from, 1)?[0]);
        let cuts = take(from, count)?;
        let edits = cuts.iter().copied().zip(read_strings(from)?).collect();
        let count = u32::from_le_bytes(take(from, 4)?.try_into().ok()?) as usize;
        let keys = take(from, count.checked_mul(4)?)?.chunks_exact(4);
        let keys = keys.map(|key| Some(u32::from_le_bytes(key.try_into().ok()?))).collect::<Option<Vec<u32>>>()?;
        let numbers = take(from, count)?.iter().copied();
        let mut sides = [Vec::new(), Vec::new()];
        for side in &mut sides {
            *side = read_strings(from)?.iter().map(|name| Label::named(name)).collect::<Option<_>>()?;
        }
        let [left, right] = sides;
        if tags.len() > ACTIONS || 1 + left.len() + right.len() > ACTIONS || !right.contains(&Label::ROOT) {
            return None;
        }
        Some(Self {
            tags,
            lexicon: Lexicon { known, open },
            lemmas: Lemmas::from_parts(edits, keys.into_iter().zip(numbers)),
            parser: Parser { left, right },
            tag_weights: Packed::read(from)?,
            parse_weights: Packed::read(from)?,
            widths,
        })
    }
}

/// Count, then each with its length.
fn strings<'s>(out: &mut Vec<u8>, strings: impl ExactSizeIterator<Item = &'s str>) {
    out.push(strings.len() as u8);
    for string in strings {
        out.push(string.len() as u8);
        out.extend(string.bytes());
    }
}

fn read_strings(from: &mut &[u8]) -> Option<Vec<String>> {
    let count = take(from, 1)?[0];
    let string = |_| {
        let length = usize::from(take(from, 1)?[0]);
        String::from_utf8(take(from, length)?.to_vec()).ok()
    };
    (0..count).map(string).collect()
}

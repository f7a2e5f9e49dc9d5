//! METEOR's English resources as one memory-mapped file: synonyms, function words, non-breaking prefixes, paraphrases.
//!
//! Layout, little-endian: magic (8 bytes), format version (u32), number of sections (u32), SHA-256 of the two sources
//! (32 bytes each), length up to the last section's end (u64), then per section offset and length (u64 each), then the
//! sections, each at a multiple of 8, then the SHA-256 of all that. `compile.rs` writes it.

use anyhow::{Context, Result, bail};
use memmap2::Mmap;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(super) const MAGIC: &[u8; 8] = b"RSICMTR\0";
pub(super) const VERSION: u32 = 1;
pub(super) const HEADER: usize = 8 + 4 + 4 + 64 + 8;
/// Bytes of the checksum at the end.
pub(super) const CHECKSUM: usize = 32;
/// The first digits of the SHA-256 of the tables as they were compiled before files carried a checksum.
const WITHOUT_CHECKSUM: [u8; 8] = [0x43, 0xb4, 0xb2, 0xeb, 0x54, 0x77, 0x3e, 0x40];
/// Name of the file in the user's cache.
pub(super) const FILE_NAME: &str = "metrics-en.bin";
/// The paraphrase number of a word that the table does not know.
pub(super) const UNKNOWN: u16 = u16::MAX;

/// The sections of the file, in order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Section {
    LemmaOffsets,
    LemmaBytes,
    LemmaSynsetOffsets,
    LemmaSynsets,
    ExceptionOffsets,
    ExceptionBytes,
    ExceptionSynsetOffsets,
    ExceptionSynsets,
    FunctionOffsets,
    FunctionBytes,
    PrefixOffsets,
    PrefixBytes,
    PrefixKinds,
    VocabularyOffsets,
    VocabularyBytes,
    /// Last word of each node of the trie of source phrases, in breadth-first order.
    TrieWords,
    /// First child of each node; one more than there are nodes.
    TrieChildren,
    /// Where each node's targets begin; one more than there are nodes.
    TrieTargets,
    /// Target phrases: length, then words.
    Targets,
}

pub(super) const SECTIONS: usize = Section::Targets as usize + 1;

/// When a non-breaking prefix keeps its stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    Always,
    BeforeNumber,
}

/// A source phrase of the paraphrase table that occurs in a caption.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    pub start: u32,
    pub len: u32,
    targets: (u32, u32),
}

/// The open file.
#[derive(Debug)]
pub struct Resources {
    map: Mmap,
    sections: [Range<usize>; SECTIONS],
    /// Of each word number, the node of the trie that it leads to from the root; 0 where there is none. Nearly every
    /// word of a caption is asked for, and the root has thousands of children.
    first_nodes: Vec<u32>,
}

impl Resources {
    /// Where the compiled file belongs: the user's cache.
    pub fn default_path() -> Result<PathBuf> {
        Ok(rsic_util::fs::cache_dir()?.join(FILE_NAME))
    }

    /// Opens the file in the user's cache; `None` where there is none.
    ///
    /// # Errors
    /// A file that is there but is damaged or of another version is an error, never silently left out.
    pub fn open_default() -> Result<Option<Self>> {
        let path = Self::default_path()?;
        if path.exists() { Self::open(&path).map(Some) } else { Ok(None) }
    }

    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read '{}'", path.display()))?;
        // SAFETY: the file is only ever replaced by a rename, never written in place.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("cannot read '{}'", path.display()))?;
        let mend = "recreate it with 'make metrics-data'";
        if map.get(..8) != Some(MAGIC) {
            bail!("'{}' is not a file of METEOR resources; {mend}", path.display());
        }
        if u32_at(&map, 2) != Some(VERSION) || u32_at(&map, 3) != Some(SECTIONS as u32) {
            bail!("'{}' was made for another version of rsic; {mend}", path.display());
        }
        let Some(sections) = sections(&map).filter(|_| is_whole(&map)) else {
            bail!("'{}' is damaged; {mend}", path.display());
        };
        let mut resources = Self { map, sections, first_nodes: Vec::new() };
        resources.first_nodes = resources.first_nodes();
        Ok(resources)
    }

    fn first_nodes(&self) -> Vec<u32> {
        let (children, words) = (self.section(Section::TrieChildren), self.section(Section::TrieWords));
        let (from, to) = (u32_at(children, 0).unwrap_or(0), u32_at(children, 1).unwrap_or(0));
        let mut nodes = Vec::new();
        for node in from..to {
            let Some(word) = u16_at(words, node as usize) else { break };
            let word = usize::from(word);
            if nodes.len() <= word {
                nodes.resize(word + 1, 0);
            }
            nodes[word] = node;
        }
        nodes
    }

    /// SHA-256 of the sources, hexadecimal: METEOR's jar, the paraphrase table.
    pub fn sources(&self) -> [String; 2] {
        let hex = |at: usize| {
            self.map.get(at..at + 32).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        [hex(16), hex(48)]
    }

    /// Puts the synset numbers of a word, sorted, into `out`: those of the word itself and those of its base forms.
    pub fn synsets(&self, word: &str, out: &mut Vec<u32>) {
        self.lemma_synsets(word, out);
        if let Some(exception) = self.find(Section::ExceptionOffsets, word) {
            self.numbers(Section::ExceptionSynsetOffsets, exception, out);
        } else if let Some(base) = self.base_form(word) {
            self.lemma_synsets(&base, out);
        }
        out.sort_unstable();
        out.dedup();
    }

    fn lemma_synsets(&self, word: &str, out: &mut Vec<u32>) {
        if let Some(lemma) = self.find(Section::LemmaOffsets, word) {
            self.numbers(Section::LemmaSynsetOffsets, lemma, out);
        }
    }

    /// WordNet's rules of detachment: nouns, verbs, adjectives, the first that gives a lemma.
    fn base_form(&self, word: &str) -> Option<String> {
        super::morphology::base_form(word, |base| self.find(Section::LemmaOffsets, base).is_some())
    }

    pub fn is_function_word(&self, word: &str) -> bool {
        self.find(Section::FunctionOffsets, word).is_some()
    }

    /// Whether a word keeps its full stop.
    pub fn prefix(&self, word: &str) -> Option<Prefix> {
        let index = self.find(Section::PrefixOffsets, word)?;
        match self.section(Section::PrefixKinds).get(index)? {
            0 => Some(Prefix::Always),
            _ => Some(Prefix::BeforeNumber),
        }
    }

    /// A word's number in the paraphrase table.
    pub fn paraphrase_word(&self, word: &str) -> u16 {
        self.find(Section::VocabularyOffsets, word).and_then(|index| u16::try_from(index).ok()).unwrap_or(UNKNOWN)
    }

    /// Finds every source phrase in a caption: by position, the shorter first.
    pub fn sources_in(&self, words: &[u16], out: &mut Vec<Source>) {
        let targets = self.section(Section::TrieTargets);
        for (start, &first) in words.iter().enumerate() {
            let mut node = match self.first_nodes.get(usize::from(first)) {
                None | Some(0) => continue,
                Some(&node) => node as usize,
            };
            for len in 1.. {
                if let (Some(from), Some(to)) = (u32_at(targets, node), u32_at(targets, node + 1))
                    && from < to
                {
                    out.push(Source { start: start as u32, len, targets: (from, to) });
                }
                let Some(child) = words.get(start + len as usize).and_then(|&word| self.child(node, word)) else {
                    break;
                };
                node = child;
            }
        }
    }

    /// The target phrases of a source, in the table's order.
    pub fn targets(&self, source: &Source) -> Targets<'_> {
        let (from, to) = (source.targets.0 as usize * 2, source.targets.1 as usize * 2);
        Targets { rest: self.section(Section::Targets).get(from..to).unwrap_or_default() }
    }

    fn child(&self, node: usize, word: u16) -> Option<usize> {
        let children = self.section(Section::TrieChildren);
        let words = self.section(Section::TrieWords);
        let (mut low, mut high) = (u32_at(children, node)? as usize, u32_at(children, node + 1)? as usize);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = u16_at(words, middle)?;
            match found.cmp(&word) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn section(&self, section: Section) -> &[u8] {
        self.map.get(self.sections[section as usize].clone()).unwrap_or_default()
    }

    fn section_number(&self, number: usize) -> &[u8] {
        self.sections.get(number).and_then(|range| self.map.get(range.clone())).unwrap_or_default()
    }

    /// Binary search in a sorted table of strings, whose bytes are the section after the offsets.
    fn find(&self, table: Section, word: &str) -> Option<usize> {
        let offsets = self.section(table);
        let bytes = self.section_number(table as usize + 1);
        let (mut low, mut high) = (0, (offsets.len() / 4).saturating_sub(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let found = bytes.get(u32_at(offsets, middle)? as usize..u32_at(offsets, middle + 1)? as usize)?;
            match found.cmp(word.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn numbers(&self, table: Section, index: usize, out: &mut Vec<u32>) {
        let offsets = self.section(table);
        let numbers = self.section_number(table as usize + 1);
        if let (Some(from), Some(to)) = (u32_at(offsets, index), u32_at(offsets, index + 1)) {
            out.extend((from..to).map_while(|at| u32_at(numbers, at as usize)));
        }
    }
}

/// Target phrases, as numbers of words.
#[derive(Debug, Clone)]
pub struct Targets<'r> {
    rest: &'r [u8],
}

impl<'r> Iterator for Targets<'r> {
    /// Words as little-endian pairs of bytes.
    type Item = Phrase<'r>;

    fn next(&mut self) -> Option<Self::Item> {
        let len = usize::from(u16_at(self.rest, 0)?);
        let (phrase, rest) = self.rest.get(2..)?.split_at_checked(2 * len)?;
        self.rest = rest;
        Some(Phrase(phrase))
    }
}

/// A phrase in the file.
#[derive(Debug, Clone, Copy)]
pub struct Phrase<'r>(&'r [u8]);

impl Phrase<'_> {
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Calls `found` with each place in `words` where the phrase occurs.
    pub fn each_in(&self, words: &[u16], mut found: impl FnMut(usize)) {
        let Some(first) = u16_at(self.0, 0) else { return };
        if !words.contains(&first) {
            return; // as almost always
        }
        for (at, &word) in words.iter().enumerate() {
            if word == first
                && words.len() - at >= self.len()
                && words.iter().skip(at).zip(self.0.chunks_exact(2)).all(|(word, bytes)| word.to_le_bytes() == *bytes)
            {
                found(at);
            }
        }
    }
}

/// Whether the checksum is right: no bit has changed since the file was compiled.
fn is_whole(map: &[u8]) -> bool {
    let end = map.get(HEADER - 8..HEADER).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    let Some((content, checksum)) = end.and_then(|end| map.split_at_checked(usize::try_from(end).ok()?)) else {
        return false;
    };
    let found = Sha256::digest(content);
    if checksum.is_empty() { found.starts_with(&WITHOUT_CHECKSUM) } else { *found == *checksum }
}

fn sections(map: &[u8]) -> Option<[Range<usize>; SECTIONS]> {
    let u64_at = |at: usize| usize::try_from(u64::from_le_bytes(map.get(at..at + 8)?.try_into().ok()?)).ok();
    let mut sections = std::array::from_fn(|_| 0..0);
    for (index, section) in sections.iter_mut().enumerate() {
        let offset = u64_at(HEADER + 16 * index)?;
        let end = offset.checked_add(u64_at(HEADER + 16 * index + 8)?)?;
        if end > map.len() {
            return None;
        }
        *section = offset..end;
    }
    Some(sections)
}

fn u32_at(bytes: &[u8], index: usize) -> Option<u32> {
    let at = index.checked_mul(4)?;
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], index: usize) -> Option<u16> {
    let at = index.checked_mul(2)?;
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

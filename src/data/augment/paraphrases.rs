//! Files of paraphrases: what a translation model made of captions, there and back.
//!
//! UTF-8, one pair a line: a caption of the dataset, a tab, another wording of it. A caption may stand on several
//! lines. Captions are compared by their words: lower case, without punctuation.

use crate::util::fs::read_text;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Paraphrases by caption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paraphrases {
    of: BTreeMap<String, Vec<Vec<String>>>,
}

/// A line of a file that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    pub why: String,
}

impl Paraphrases {
    /// Reads a file of which every line must be right.
    pub fn load(path: &Path) -> Result<Self> {
        let (paraphrases, bad) = Self::parse(&read_text(path)?);
        if let Some(BadLine { line, why }) = bad.first() {
            bail!("'{}', line {line}: {why} (list all invalid lines with 'rsic data augment-text')", path.display());
        }
        if paraphrases.of.is_empty() {
            bail!("'{}' contains no paraphrases", path.display());
        }
        Ok(paraphrases)
    }

    /// What lines are right, and the others. Empty lines are neither.
    pub fn parse(text: &str) -> (Self, Vec<BadLine>) {
        let (mut paraphrases, mut bad) = (Self::default(), Vec::new());
        for (line, content) in (1..).zip(text.lines()).filter(|(_, content)| !content.trim().is_empty()) {
            match pair(content) {
                Ok((caption, words)) => paraphrases.add(caption, words),
                Err(why) => bad.push(BadLine { line, why }),
            }
        }
        (paraphrases, bad)
    }

    fn add(&mut self, caption: String, words: Vec<String>) {
        let known = self.of.entry(caption).or_default();
        if !known.contains(&words) {
            known.push(words);
        }
    }

    /// Takes over another file's.
    pub fn merge(&mut self, other: Self) {
        for (caption, all) in other.of {
            all.into_iter().for_each(|words| self.add(caption.clone(), words));
        }
    }

    /// The paraphrases of a caption given as words; empty where there is none.
    pub fn of(&self, words: &[String]) -> &[Vec<String>] {
        self.of.get(&words.join(" ").to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// Captions that have a paraphrase.
    pub fn captions(&self) -> usize {
        self.of.len()
    }

    /// Pairs in all.
    pub fn pairs(&self) -> usize {
        self.of.values().map(Vec::len).sum()
    }

    /// Leaves out the captions that are not among `captions`; gives how many pairs went.
    pub fn keep(&mut self, captions: &BTreeSet<String>) -> usize {
        let before = self.pairs();
        self.of.retain(|caption, _| captions.contains(caption));
        before - self.pairs()
    }

    /// The file's form, captions in alphabetical order.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (caption, all) in &self.of {
            all.iter().for_each(|words| text += &format!("{caption}\t{}\n", words.join(" ")));
        }
        text
    }
}

/// Lower-case words without the punctuation at their ends.
pub fn plain_words(text: &str) -> Vec<String> {
    let trimmed = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    trimmed.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn pair(line: &str) -> Result<(String, Vec<String>), String> {
    let mut columns = line.split('\t');
    let (Some(caption), Some(paraphrase), None) = (columns.next(), columns.next(), columns.next()) else {
        let found = line.split('\t').count();
        return Err(format!(
            "expected caption, tab, paraphrase; found {found} column{}",
            if found == 1 { "" } else { "s" }
        ));
    };
    let (caption, paraphrase) = (plain_words(caption), plain_words(paraphrase));
    if caption.is_empty() {
        return Err("no caption before the tab".into());
    }
    if paraphrase.is_empty() {
        return Err("no paraphrase after the tab".into());
    }
    if caption == paraphrase {
        return Err("the paraphrase equals the caption".into());
    }
    Ok((caption.join(" "), paraphrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_compared_by_their_words_and_faults_name_their_line() {
        let text = "Two planes .\tTwo aircraft.\n\ntwo planes\ttwo aircraft\nA road\nA road\ta ROAD\n\tx\na\tb\tc\nA \
            road\t.\n";
        let (paraphrases, bad) = Paraphrases::parse(text);
        assert_eq!(paraphrases.pairs(), 1, "the same pair counts once");
        assert_eq!(paraphrases.of(&["two".into(), "planes".into()]), [["two", "aircraft"]]);
        assert!(paraphrases.of(&["two".into()]).is_empty());
        let faults: Vec<String> = bad.iter().map(|bad| format!("{} {}", bad.line, bad.why)).collect();
        assert_eq!(
            faults,
            [
                "4 expected caption, tab, paraphrase; found 1 column",
                "5 the paraphrase equals the caption",
                "6 no caption before the tab",
                "7 expected caption, tab, paraphrase; found 3 columns",
                "8 no paraphrase after the tab",
            ]
        );
    }

    #[test]
    fn merged_files_come_back_from_their_text() {
        let (mut one, _) = Paraphrases::parse("a road\ta street\n");
        let (two, _) = Paraphrases::parse("a road\ta way\na bay\ta cove\n");
        one.merge(two);
        assert_eq!(one.to_text(), "a bay\ta cove\na road\ta street\na road\ta way\n");
        assert_eq!(Paraphrases::parse(&one.to_text()).0, one);
        assert_eq!(one.keep(&["a bay".to_owned()].into()), 2);
        assert_eq!((one.captions(), one.pairs()), (1, 1));
    }
}

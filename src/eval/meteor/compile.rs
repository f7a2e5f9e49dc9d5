//! Makes the file of METEOR resources from the public package that carries them (pycocoevalcap 1.2, a Python wheel).
//!
//! From METEOR's jar: WordNet synsets and exceptions, function words, non-breaking prefixes. Beside it: the paraphrase
//! table, gzip text with three lines an entry (probability, source, target).

use super::resources::{CHECKSUM, HEADER, MAGIC, SECTIONS, Section, VERSION};
use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use rsic_util::fs::write_atomic_with;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::Path;
use zip::ZipArchive;

/// A part of the wheel and its SHA-256.
struct Part {
    name: &'static str,
    sha256: &'static str,
}

const JAR: Part = Part {
    name: "pycocoevalcap/meteor/meteor-1.5.jar",
    sha256: "1e57b4c72c0830ebe68558f1c799a624e96cbc1b6045c9f6330e26dcff6eafc2",
};
const PARAPHRASES: Part = Part {
    name: "pycocoevalcap/meteor/data/paraphrase-en.gz",
    sha256: "c147ac7d2c91f2fbb3ad31e4b352235061eb83145e0434daf217ee9ca5975f48",
};

/// How much the compiled file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compiled {
    pub lemmas: usize,
    pub paraphrases: usize,
    pub bytes: u64,
}

/// Compiles the resources in `wheel` into `output`, which is replaced at once or not at all.
///
/// # Errors
/// A wheel that cannot be read, is not the expected one, or whose tables are not as expected.
pub fn compile(wheel: &Path, output: &Path) -> Result<Compiled> {
    let named = || format!("'{}'", wheel.display());
    let file = File::open(wheel).with_context(|| format!("cannot read {}", named()))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).with_context(|| format!("{} is not a wheel (a zip archive)", named()))?;
    let mut jar = Vec::new();
    part(&mut archive, &JAR)
        .and_then(|mut part| Ok(part.read_to_end(&mut jar).map(|_| ())?))
        .with_context(|| format!("cannot read METEOR's jar in {}", named()))?;
    check(&JAR, &Sha256::digest(&jar), wheel)?;
    let mut sections = dictionaries(&jar).with_context(|| format!("cannot use METEOR's jar in {}", named()))?;

    let table = part(&mut archive, &PARAPHRASES).with_context(|| format!("cannot use {}", named()))?;
    let mut hashing = Hashing { inner: table, hasher: Sha256::new() };
    let table = Paraphrases::read(BufReader::with_capacity(1 << 18, GzDecoder::new(&mut hashing)))
        .with_context(|| format!("cannot use the paraphrase table in {}", named()))?;
    std::io::copy(&mut hashing, &mut std::io::sink()).with_context(|| format!("cannot read {}", named()))?;
    check(&PARAPHRASES, &hashing.hasher.finalize(), wheel)?;
    let paraphrases = table.entries.len();
    table.write(&mut sections);
    let lemmas = sections.0.get(Section::LemmaOffsets as usize).map_or(0, |offsets| offsets.len() / 4 - 1);
    let bytes = sections.save(output)?;
    Ok(Compiled { lemmas, paraphrases, bytes })
}

fn part<'a>(archive: &'a mut ZipArchive<BufReader<File>>, part: &Part) -> Result<zip::read::ZipFile<'a>> {
    archive.by_name(part.name).with_context(|| format!("no '{}' in it (expected in pycocoevalcap 1.2)", part.name))
}

fn check(part: &Part, digest: &[u8], wheel: &Path) -> Result<()> {
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if found != part.sha256 {
        bail!(
            "'{}' in '{}' has SHA-256 {found}, expected {}: use the wheel of pycocoevalcap 1.2",
            part.name,
            wheel.display(),
            part.sha256
        );
    }
    Ok(())
}

/// Passes on what it reads and hashes it.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// The sections of the file to be.
struct Sections(Vec<Vec<u8>>);

impl Sections {
    fn set(&mut self, section: Section, bytes: Vec<u8>) {
        if let Some(slot) = self.0.get_mut(section as usize) {
            *slot = bytes;
        }
    }

    fn set_u32(&mut self, section: Section, numbers: impl IntoIterator<Item = u32>) {
        self.set(section, numbers.into_iter().flat_map(u32::to_le_bytes).collect());
    }

    fn set_u16(&mut self, section: Section, numbers: impl IntoIterator<Item = u16>) {
        self.set(section, numbers.into_iter().flat_map(u16::to_le_bytes).collect());
    }

    /// A table of strings, which come sorted: where each begins, and their bytes.
    fn set_strings<'s>(&mut self, offsets: Section, bytes: Section, strings: impl IntoIterator<Item = &'s str>) {
        let mut text = Vec::new();
        let mut starts = vec![0];
        for string in strings {
            text.extend_from_slice(string.as_bytes());
            starts.push(text.len() as u32);
        }
        self.set_u32(offsets, starts);
        self.set(bytes, text);
    }

    /// A list of numbers for each string.
    fn set_lists<'s>(&mut self, offsets: Section, numbers: Section, lists: impl IntoIterator<Item = &'s Vec<u32>>) {
        let mut all = Vec::new();
        let mut starts = vec![0];
        for list in lists {
            all.extend_from_slice(list);
            starts.push(all.len() as u32);
        }
        self.set_u32(offsets, starts);
        self.set_u32(numbers, all);
    }

    fn save(&self, output: &Path) -> Result<u64> {
        let align = |at: usize| at.next_multiple_of(8);
        let mut header = Vec::with_capacity(HEADER + 16 * SECTIONS);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&(SECTIONS as u32).to_le_bytes());
        for source in [&JAR, &PARAPHRASES] {
            header.extend((0..32).filter_map(|at| u8::from_str_radix(source.sha256.get(2 * at..2 * at + 2)?, 16).ok()));
        }
        let mut end = align(HEADER + 16 * SECTIONS);
        let mut places = Vec::new();
        for section in &self.0 {
            places.push((end as u64, section.len() as u64));
            end = align(end + section.len());
        }
        header.extend_from_slice(&(end as u64).to_le_bytes());
        for (offset, length) in places {
            header.extend_from_slice(&offset.to_le_bytes());
            header.extend_from_slice(&length.to_le_bytes());
        }
        header.resize(align(header.len()), 0);
        let mut hash = Sha256::new();
        write_atomic_with(output, |file| {
            let mut put = |bytes: &[u8]| {
                hash.update(bytes);
                file.write_all(bytes)
            };
            put(&header)?;
            for section in &self.0 {
                put(section)?;
                let padding = align(section.len()) - section.len();
                put([0; 8].get(..padding).unwrap_or_default())?;
            }
            Ok(file.write_all(&hash.finalize_reset())?)
        })?;
        Ok((end + CHECKSUM) as u64)
    }
}

/// The tables in the jar.
fn dictionaries(jar: &[u8]) -> Result<Sections> {
    let mut archive = ZipArchive::new(Cursor::new(jar))?;
    let mut text = |name: &str| -> Result<String> {
        let mut text = String::new();
        archive.by_name(name).with_context(|| format!("no '{name}' in it"))?.read_to_string(&mut text)?;
        Ok(text)
    };
    let mut sections = Sections(vec![Vec::new(); SECTIONS]);
    let lemmas = synsets(&text("synonym/english.synsets")?)?;
    let exceptions = exceptions(&text("synonym/english.exceptions")?, &lemmas);
    use Section as S;
    sections.set_strings(S::LemmaOffsets, S::LemmaBytes, lemmas.keys().map(String::as_str));
    sections.set_lists(S::LemmaSynsetOffsets, S::LemmaSynsets, lemmas.values());
    sections.set_strings(S::ExceptionOffsets, S::ExceptionBytes, exceptions.keys().map(String::as_str));
    sections.set_lists(S::ExceptionSynsetOffsets, S::ExceptionSynsets, exceptions.values());
    let function_words = text("function/english.words")?;
    let function_words: BTreeMap<&str, ()> =
        function_words.lines().map(|line| (line.trim(), ())).filter(|(word, ())| !word.is_empty()).collect();
    sections.set_strings(S::FunctionOffsets, S::FunctionBytes, function_words.into_keys());
    let prefixes = text("nonbreaking/english.prefixes")?;
    let prefixes: BTreeMap<&str, u8> = prefixes
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some((line.split_whitespace().next()?, u8::from(line.contains("#NUMERIC_ONLY#")))))
        .collect();
    sections.set_strings(S::PrefixOffsets, S::PrefixBytes, prefixes.keys().copied());
    sections.set(S::PrefixKinds, prefixes.into_values().collect());
    Ok(sections)
}

/// Pairs of lines: a lemma, its synset numbers.
fn synsets(text: &str) -> Result<BTreeMap<String, Vec<u32>>> {
    let mut lemmas = BTreeMap::new();
    let mut lines = text.lines();
    while let (Some(lemma), Some(numbers)) = (lines.next(), lines.next()) {
        let mut numbers = numbers
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<Vec<u32>, _>>()
            .with_context(|| format!("the synsets of '{lemma}' are not numbers"))?;
        numbers.sort_unstable();
        numbers.dedup();
        lemmas.insert(lemma.to_owned(), numbers);
    }
    Ok(lemmas)
}

/// Pairs of lines: a base form, its irregular forms. Gives the synsets of each irregular form, by all its bases.
fn exceptions(text: &str, lemmas: &BTreeMap<String, Vec<u32>>) -> BTreeMap<String, Vec<u32>> {
    let mut exceptions: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut lines = text.lines();
    while let (Some(base), Some(forms)) = (lines.next(), lines.next()) {
        for form in forms.split_whitespace() {
            let numbers = exceptions.entry(form.to_owned()).or_default();
            numbers.extend(lemmas.get(base).into_iter().flatten());
            numbers.sort_unstable();
            numbers.dedup();
        }
    }
    exceptions
}

/// The paraphrase table while it is read: words and nodes numbered in the order in which they appear.
#[derive(Default)]
struct Paraphrases {
    vocabulary: FxHashMap<String, u16>,
    /// (node, word) -> node of the trie of source phrases; 0 is the root.
    children: FxHashMap<(u32, u16), u32>,
    /// Source node, and where its target begins in `targets`.
    entries: Vec<(u32, u32)>,
    /// Target phrases: length, then words.
    targets: Vec<u16>,
}

impl Paraphrases {
    fn read(mut file: impl BufRead) -> Result<Self> {
        let mut table = Self::default();
        let (mut probability, mut source, mut target) = (String::new(), String::new(), String::new());
        let (mut last, mut node) = (String::new(), 0);
        loop {
            for line in [&mut probability, &mut source, &mut target] {
                line.clear();
                file.read_line(line)?;
            }
            if target.trim().is_empty() || source.trim().is_empty() {
                if probability.trim().is_empty() {
                    return Ok(table);
                }
                bail!("entry {} is truncated", table.entries.len() + 1);
            }
            if source != last {
                node = table.node(&source)?;
                last.clone_from(&source);
            }
            let start = table.targets.len();
            table.entries.push((node, u32::try_from(start).context("the table is too large")?));
            table.targets.push(0);
            for word in target.split_ascii_whitespace() {
                let word = table.word(word)?;
                table.targets.push(word);
            }
            let length = table.targets.len() - start - 1;
            if let Some(slot) = table.targets.get_mut(start) {
                *slot = length as u16;
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<u16> {
        if let Some(&number) = self.vocabulary.get(word) {
            return Ok(number);
        }
        let number = u16::try_from(self.vocabulary.len()).ok().filter(|&number| number < u16::MAX);
        let number = number.context("the table has more words than 16 bits can number")?;
        self.vocabulary.insert(word.to_owned(), number);
        Ok(number)
    }

    fn node(&mut self, phrase: &str) -> Result<u32> {
        let mut node = 0;
        for word in phrase.split_ascii_whitespace() {
            let word = self.word(word)?;
            let new = self.children.len() as u32 + 1;
            node = *self.children.entry((node, word)).or_insert(new);
        }
        Ok(node)
    }

    /// Renumbers words by spelling and nodes breadth-first, and writes the table's sections.
    fn write(self, sections: &mut Sections) {
        let mut words: Vec<(&str, u16)> =
            self.vocabulary.iter().map(|(word, &number)| (word.as_str(), number)).collect();
        words.sort_unstable();
        sections.set_strings(Section::VocabularyOffsets, Section::VocabularyBytes, words.iter().map(|(word, _)| *word));
        let mut rank = vec![0u16; words.len()];
        for (new, (_, old)) in words.iter().enumerate() {
            rank[usize::from(*old)] = new as u16;
        }
        let mut edges: Vec<(u32, u16, u32)> =
            self.children.iter().map(|(&(parent, word), &child)| (parent, rank[usize::from(word)], child)).collect();
        edges.sort_unstable();
        // Breadth-first: the children of a node are neighbours, so that one number tells where they begin.
        let mut order = vec![0u32];
        let mut node_words = vec![0u16];
        let mut first_children = Vec::with_capacity(edges.len() + 2);
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            first_children.push(order.len() as u32);
            let from = edges.partition_point(|edge| edge.0 < node);
            for &(_, word, child) in edges.iter().skip(from).take_while(|edge| edge.0 == node) {
                order.push(child);
                node_words.push(word);
            }
            at += 1;
        }
        first_children.push(order.len() as u32);
        let mut number = vec![0u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            number[old as usize] = new as u32;
        }
        let mut entries: Vec<(u32, u32)> =
            self.entries.iter().map(|&(node, target)| (number[node as usize], target)).collect();
        entries.sort_by_key(|&(node, _)| node); // stable: the table's order within a source
        let mut targets: Vec<u16> = Vec::with_capacity(self.targets.len());
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut entries = entries.into_iter().peekable();
        for node in 0..order.len() as u32 {
            starts.push(targets.len() as u32);
            while let Some((_, from)) = entries.next_if(|entry| entry.0 == node) {
                let from = from as usize;
                let length = usize::from(self.targets[from]);
                targets.push(length as u16);
                targets.extend(self.targets[from + 1..from + 1 + length].iter().map(|&old| rank[usize::from(old)]));
            }
        }
        starts.push(targets.len() as u32);
        sections.set_u16(Section::TrieWords, node_words);
        sections.set_u32(Section::TrieChildren, first_children);
        sections.set_u32(Section::TrieTargets, starts);
        sections.set_u16(Section::Targets, targets);
    }
}

#[cfg(test)]
mod tests {
    use super::super::resources::{Prefix, Resources, UNKNOWN};
    use super::*;
    use std::path::PathBuf;

    fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            archive.start_file(*name, zip::write::FileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn jar() -> Vec<u8> {
        zip_of(&[
            ("synonym/english.synsets", "car\n3 1\nautomobile\n3\ngoose\n9\n"),
            ("synonym/english.exceptions", "goose\ngeese\n"),
            ("function/english.words", "the\n,\n"),
            ("nonbreaking/english.prefixes", "# titles\nMr\n\nNo #NUMERIC_ONLY# \n"),
        ])
    }

    /// A small compiled file in `folder`.
    fn compiled(folder: &Path) -> PathBuf {
        let text = "0.1\nmany cars\nlots of cars\n0.2\nmany\nlots of\n0.3\nmany cars\nseveral\n";
        let mut sections = dictionaries(&jar()).unwrap();
        Paraphrases::read(text.as_bytes()).unwrap().write(&mut sections);
        let path = folder.join("resources.bin");
        sections.save(&path).unwrap();
        path
    }

    #[test]
    fn what_is_compiled_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = compiled(folder.path());
        let resources = Resources::open(&path).unwrap();

        let synsets = |word| {
            let mut found = Vec::new();
            resources.synsets(word, &mut found);
            found
        };
        assert_eq!(synsets("cars"), [1, 3]);
        assert_eq!(synsets("automobile"), [3]);
        assert_eq!(synsets("geese"), [9]);
        assert!(synsets("xyzzy").is_empty());
        assert!(resources.is_function_word("the") && !resources.is_function_word("car"));
        assert_eq!(resources.prefix("Mr"), Some(Prefix::Always));
        assert_eq!(resources.prefix("No"), Some(Prefix::BeforeNumber));
        assert_eq!(resources.sources(), [JAR.sha256, PARAPHRASES.sha256]);

        let numbers =
            |text: &str| -> Vec<u16> { text.split(' ').map(|word| resources.paraphrase_word(word)).collect() };
        assert_eq!(numbers("xyzzy"), [UNKNOWN]);
        let mut sources = Vec::new();
        resources.sources_in(&numbers("so many cars"), &mut sources);
        let places: Vec<(u32, u32)> = sources.iter().map(|source| (source.start, source.len)).collect();
        assert_eq!(places, [(1, 1), (1, 2)]);
        let caption = numbers("several of lots of cars");
        let mut found = Vec::new();
        for target in resources.targets(&sources[1]) {
            target.each_in(&caption, |at| found.push((at, target.len())));
        }
        assert_eq!(found, [(2, 3), (0, 1)]);
    }

    #[test]
    fn another_wheel_is_refused_in_one_sentence_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, output) = (folder.path().join("a.whl"), folder.path().join("out.bin"));
        let fault = |content: &[u8], part: &str| {
            std::fs::write(&wheel, content).unwrap();
            let message = format!("{:#}", compile(&wheel, &output).unwrap_err());
            assert!(message.contains(part) && message.contains("a.whl"), "{message}");
            assert!(!output.exists());
        };
        fault(b"no zip", "is not a wheel");
        fault(&zip_of(&[("a", "b")]), "no 'pycocoevalcap/meteor/meteor-1.5.jar' in it");
        fault(&zip_of(&[(JAR.name, "another jar")]), "has SHA-256");
    }

    #[test]
    fn a_table_that_is_cut_short_is_refused() {
        assert!(Paraphrases::read("0.1\na b\n".as_bytes()).is_err());
        assert_eq!(Paraphrases::read("".as_bytes()).unwrap().entries.len(), 0);
    }

    #[test]
    fn a_damaged_file_is_refused_or_gives_other_numbers_but_no_crash() {
        use crate::{MetricSet, References};
        use rsic_util::rng::Rng;
        let folder = tempfile::tempdir().unwrap();
        let path = compiled(folder.path());
        let whole = std::fs::read(&path).unwrap();
        let mut rng = Rng::new(&[5]);
        for _ in 0..2000 {
            let mut damaged = whole.clone();
            for _ in 0..rng.range(1, 8) {
                let at = rng.below(damaged.len());
                damaged[at] = rng.next_u64() as u8;
            }
            if rng.chance(0.1) {
                damaged.truncate(rng.below(whole.len()));
            }
            std::fs::write(&path, damaged).unwrap();
            if let Ok(resources) = Resources::open(&path) {
                let groups = [vec!["many cars and geese".to_owned()], vec!["lots of cars".to_owned()]];
                let references = References::new(&groups).with_resources(Some(std::sync::Arc::new(resources)));
                let hypotheses = ["lots of cars goose".to_owned(), "many automobiles".to_owned()];
                references.score(&hypotheses, MetricSet::ALL).unwrap();
            }
        }
    }
}

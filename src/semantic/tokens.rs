//! Texts as the ids of CLIP's and BERT's tokens.

use crate::util::fs::read_text;
use anyhow::{Context, Result, anyhow, bail};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;
use tokenizers::{Tokenizer, TruncationParams};

/// Merges of the vocabulary that OpenAI published, of those that its file lists: what makes 49408 tokens.
const MERGES: usize = 49152 - 256 - 2;

/// A vocabulary and how texts are cut by it.
#[derive(Debug)]
pub struct Tokens(Tokenizer);

impl Tokens {
    /// CLIP's, from `tokenizer.json`, from `merges.txt`, or from OpenAI's `bpe_simple_vocab_16e6.txt.gz`: `place` is
    /// one of these, or a folder with one. Texts are cut to `most` tokens; `vocabulary` is the number that the network
    /// knows.
    ///
    /// Deviation: OpenAI's tokeniser also mends broken encodings and resolves HTML entities, which captions do not
    /// have.
    pub fn clip(place: &Path, most: usize, vocabulary: usize) -> Result<Self> {
        const NAMES: [&str; 4] =
            ["tokenizer.json", "merges.txt", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"];
        let file = match place.is_dir() {
            true => NAMES.iter().map(|name| place.join(name)).find(|path| path.is_file()),
            false => Some(place.to_owned()),
        };
        let file = file.with_context(|| {
            format!(
                "'{}' has no vocabulary of CLIP (none of {}); name one with --clip-tokenizer",
                place.display(),
                NAMES.join(", ")
            )
        })?;
        let text = text(&file)?;
        let definition =
            if text.trim_start().starts_with('{') { text } else { clip_definition(&file, &text)?.to_string() };
        let tokens = Self::new(&file, &definition, most, vocabulary)?;
        // The last ones are start and end: a shorter list would have others there.
        tokens.check(&file, vocabulary, |known| known == vocabulary)?;
        Ok(tokens)
    }

    /// BERT's, from the `tokenizer.json` of a folder, or from its `vocab.txt`, in lower case.
    pub fn bert(folder: &Path, most: usize, vocabulary: usize) -> Result<Self> {
        let (whole, words) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        if whole.is_file() {
            return Self::new(&whole, &text(&whole)?, most, vocabulary);
        }
        if !words.is_file() {
            bail!("'{}' has neither tokenizer.json nor vocab.txt", folder.display());
        }
        Self::new(&words, &bert_definition(&words, &text(&words)?)?.to_string(), most, vocabulary)
    }

    fn new(file: &Path, definition: &str, most: usize, vocabulary: usize) -> Result<Self> {
        let fault = |what: &str| anyhow!("'{}' is not a vocabulary that can be used: {what}", file.display());
        let mut tokenizer =
            Tokenizer::from_bytes(definition).map_err(|error| fault(&crate::util::json::reason(error)))?;
        let truncation = TruncationParams { max_length: most, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| fault(&error.to_string()))?;
        tokenizer.with_padding(None);
        let tokens = Self(tokenizer);
        tokens.check(file, vocabulary, |known| known <= vocabulary)?;
        Ok(tokens)
    }

    /// An error where the number of its tokens does not suit a network that knows so many.
    fn check(&self, file: &Path, vocabulary: usize, suits: impl Fn(usize) -> bool) -> Result<()> {
        let known = self.0.get_vocab_size(true);
        if !suits(known) {
            bail!("'{}' has {known} tokens, and the network knows {vocabulary}", file.display());
        }
        Ok(())
    }

    /// The ids of a text, its start and end included.
    pub fn ids(&self, text: &str) -> Result<Vec<i64>> {
        let cut = || format!("the text '{}' cannot be cut into tokens", text.escape_debug());
        let encoded = self.0.encode_fast(text, true).map_err(|error| anyhow!("{error}")).with_context(cut)?;
        let ids: Vec<i64> = encoded.get_ids().iter().map(|&id| id.into()).collect();
        if ids.is_empty() {
            bail!("{}", cut());
        }
        Ok(ids)
    }
}

fn text(file: &Path) -> Result<String> {
    if file.extension().is_none_or(|ending| ending != "gz") {
        return read_text(file);
    }
    let context = || format!("cannot read '{}'", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).with_context(context)?;
    GzDecoder::new(opened).take(64 << 20).read_to_string(&mut text).with_context(context)?;
    Ok(text)
}

/// The letters that stand for the bytes, in the order of their tokens: printable ones for themselves.
fn letters() -> Vec<char> {
    let printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let own = (0..256).filter(printable);
    let others = (256..).take((0..256).filter(|byte| !printable(byte)).count());
    own.chain(others).filter_map(char::from_u32).collect()
}

/// CLIP's tokens follow from its merges: letters, letters at the end of a word, merges, start and end.
fn clip_definition(file: &Path, text: &str) -> Result<Value> {
    const END_OF_WORD: &str = "</w>";
    const ENDS: [&str; 2] = ["<|startoftext|>", "<|endoftext|>"];
    let lines = text.lines().skip(1).filter(|line| !line.trim().is_empty()).take(MERGES);
    let merges: Vec<&str> = lines.collect();
    if merges.is_empty() || merges.iter().any(|merge| merge.split(' ').count() != 2) {
        bail!("'{}' is not a list of merges: a first line, then two parts a line", file.display());
    }
    let letters: Vec<String> = letters().into_iter().map(String::from).collect();
    let last = letters.iter().map(|letter| format!("{letter}{END_OF_WORD}"));
    let merged = merges.iter().map(|merge| merge.replace(' ', ""));
    let all = letters.iter().cloned().chain(last).chain(merged).chain(ENDS.map(String::from));
    let mut vocabulary = Map::new();
    for (id, token) in all.enumerate() {
        vocabulary.insert(token, id.into());
    }
    let [start, end] = ENDS.map(|token| vocabulary.get(token).cloned().unwrap_or_default());
    Ok(json!({
        "version": "1.0",
        "added_tokens": [special(ENDS[0], &start), special(ENDS[1], &end)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
            {"type": "Lowercase"},
        ]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {
                "type": "Split",
                "pattern": {"Regex": r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"},
                "behavior": "Removed",
                "invert": true,
            },
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [ENDS[1], end],
            "cls": [ENDS[0], start],
            "trim_offsets": false,
            "add_prefix_space": false,
        },
        "model": {
            "type": "BPE",
            "unk_token": ENDS[1],
            "continuing_subword_prefix": "",
            "end_of_word_suffix": END_OF_WORD,
            "fuse_unk": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    }))
}

fn bert_definition(file: &Path, text: &str) -> Result<Value> {
    let vocabulary: Map<String, Value> =
        (0..).zip(text.lines()).map(|(id, word)| (word.to_owned(), id.into())).collect();
    let id = |token: &str| {
        vocabulary.get(token).cloned().with_context(|| format!("'{}' has no token '{token}'", file.display()))
    };
    let (start, end) = (id("[CLS]")?, id("[SEP]")?);
    Ok(json!({
        "version": "1.0",
        "added_tokens": [special("[CLS]", &start), special("[SEP]", &end), special("[UNK]", &id("[UNK]")?)],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": true,
            "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", end], "cls": ["[CLS]", start]},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }))
}

fn special(token: &str, id: &Value) -> Value {
    json!({
        "id": id, "content": token, "special": true, "normalized": false,
        "single_word": false, "lstrip": false, "rstrip": false,
    })
}

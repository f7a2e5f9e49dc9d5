//! Similarity of a caption and its references by the vectors of a sentence encoder.

use super::Item;
use super::embed::{Embedded, cosine};
use super::tokens::Tokens;
use crate::eval::Scores;
use crate::models::bert::{Bert, BertConfig};
use crate::util::fs::{read_text, sha256_file};
use crate::weights;
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tch::Device;

/// A BERT with mean pooling and its tokeniser.
#[derive(Debug)]
pub(super) struct Sentences {
    bert: Bert,
    tokens: Tokens,
    name: String,
    sha256: String,
}

/// `sentence_bert_config.json`.
#[derive(Debug, Default, Deserialize)]
struct Limits {
    max_seq_length: Option<usize>,
}

/// `1_Pooling/config.json`.
#[derive(Debug, Deserialize)]
struct Pooling {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

impl Sentences {
    /// Reads a folder as sentence-transformers writes it.
    pub(super) fn open(folder: &Path, device: Device) -> Result<Self> {
        if !folder.is_dir() {
            bail!(
                "'{}' is not a folder; --sentence takes that of a sentence encoder, with config.json, \
                 model.safetensors and tokenizer.json",
                folder.display()
            );
        }
        let config: BertConfig = json(&folder.join("config.json"))?.with_context(|| {
            format!("'{}' has no config.json; give the folder of a sentence encoder", folder.display())
        })?;
        let pooling: Option<Pooling> = json(&folder.join("1_Pooling").join("config.json"))?;
        if pooling.is_some_and(|pooling| !pooling.pooling_mode_mean_tokens) {
            bail!(
                "the sentence encoder '{}' does not take the mean of its tokens, which alone is supported",
                folder.display()
            );
        }
        let weights = weights_in(folder)?;
        let bert = Bert::load(&weights::read(&weights)?, &config, device)?;
        let limits: Limits = json(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
        let most = limits.max_seq_length.unwrap_or(usize::MAX).min(bert.context());
        let tokens = Tokens::bert(folder, most, bert.vocabulary())?;
        let name = folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let sha256 = sha256_file(&weights)?;
        Ok(Self { bert, tokens, name: name.unwrap_or_else(|| folder.display().to_string()), sha256 })
    }

    pub(super) fn score(&self, items: &[Item]) -> Result<Vec<Scores>> {
        let texts = items.iter().flat_map(|item| item.references.iter().map(String::as_str).chain([item.caption]));
        let network = |batch: &[Vec<i64>]| self.bert.sentences(batch);
        let embedded = Embedded::new(texts, &self.tokens, &network)?;
        let score = |item: &Item| {
            let caption = embedded.of(item.caption, &self.tokens)?;
            let of = |text: &String| Ok(cosine(caption, embedded.of(text, &self.tokens)?));
            let all = item.references.iter().map(of).collect::<Result<Vec<f64>>>()?;
            let best = all.iter().copied().reduce(f64::max).context("a caption has no references")?;
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            Ok(Scores(vec![("Sentence-max".into(), best), ("Sentence-mean".into(), mean)]))
        };
        items.iter().map(score).collect()
    }

    pub(super) fn note(&self) -> String {
        format!("Sentence-max and -mean: cosine of the vectors of '{}', over the references", self.name)
    }

    pub(super) fn signature(&self) -> String {
        self.sha256.chars().take(12).collect()
    }
}

/// The weight file of a folder of Hugging Face.
pub(super) fn weights_in(folder: &Path) -> Result<PathBuf> {
    const NAMES: [&str; 4] =
        ["model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin"];
    let found = NAMES.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("'{}' has no weight file: none of {}", folder.display(), NAMES.join(", ")))
}

/// A file of settings; `None` where it is not there.
pub(super) fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.is_file() {
        return Ok(None);
    }
    let read = serde_json::from_str(&read_text(path)?);
    read.map(Some).map_err(|error| anyhow!("'{}' cannot be used: {}", path.display(), crate::util::json::reason(error)))
}

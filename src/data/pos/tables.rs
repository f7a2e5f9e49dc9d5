//! What a tagger has learnt, as read from files: words with one tag, and the weights of features.

use super::tag::Tag;
use crate::util::walk;
use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The tables of NLTK's averaged perceptron, in its own terms: `{feature: {tag: weight}}` and `{word: tag}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// Words that get one tag whatever stands beside them, in the letter case in which they are listed.
    pub tagdict: BTreeMap<String, String>,
    pub weights: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Tables {
    /// The tables that come with the program; see `examples/pos_tables.rs`, which makes them.
    pub fn builtin() -> Result<Self> {
        let mut text = String::new();
        GzDecoder::new(&include_bytes!("builtin.json.gz")[..])
            .read_to_string(&mut text)
            .context("the built-in tagger tables are damaged")?;
        serde_json::from_str(&text).context("the built-in tagger tables are damaged")
    }

    /// Reads a folder of NLTK's `averaged_perceptron_tagger_eng` as JSON: the files whose names end in `weights.json`,
    /// `tagdict.json` and, where there is one, `classes.json`.
    pub fn load(folder: &Path) -> Result<Self> {
        let Some(weights) = find(folder, "weights.json")? else {
            bail!("no '*.weights.json' in '{}'; unpack NLTK's averaged_perceptron_tagger_eng there", folder.display())
        };
        let Some(tagdict) = find(folder, "tagdict.json")? else {
            bail!("no '*.tagdict.json' in '{}' next to the weights", folder.display())
        };
        let tables = Self { tagdict: read(&tagdict)?, weights: read(&weights)? };
        if let Some(classes) = find(folder, "classes.json")? {
            for class in read::<Vec<String>>(&classes)? {
                Tag::of(&class).with_context(|| format!("'{}' has a different tag set", classes.display()))?;
            }
        }
        Ok(tables)
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = crate::util::fs::read_text(path)?;
    serde_json::from_str(&text)
        .map_err(crate::util::json::error)
        .with_context(|| format!("'{}' is not a tagger table", path.display()))
}

/// The first file of a folder, by name, that ends so.
fn find(folder: &Path, ending: &str) -> Result<Option<PathBuf>> {
    let context = || format!("cannot read the tagger folder '{}'", folder.display());
    let paths = walk::entries(folder).with_context(context)?;
    Ok(paths.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ending))))
}

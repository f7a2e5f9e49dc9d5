//! Files of parses: what the reference parser said of some captions, to train on and to compare with.

use super::graph::{Edge, Graph, Word};
use super::tuples::Tuple;
use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// One caption with the reference's analysis.
#[derive(Debug, Clone)]
pub struct Parsed {
    pub caption: String,
    pub sentences: Vec<Graph>,
    pub tuples: Vec<Tuple>,
}

#[derive(Deserialize)]
struct RawCaption {
    caption: String,
    sentences: Vec<RawSentence>,
    tuples: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct RawSentence {
    tokens: Vec<String>,
    tags: Vec<String>,
    lemmas: Vec<String>,
    /// Relation, governor (0: the root's), dependent; words count from 1.
    deps: Vec<(String, usize, usize)>,
}

/// Reads a list of parses, JSON or JSON compressed by gzip.
///
/// # Errors
/// A file that cannot be read, is no such list, or whose lists do not fit each other.
pub fn read(path: &Path) -> Result<Vec<Parsed>> {
    let named = || format!("cannot read parses from '{}'", path.display());
    let mut bytes = Vec::new();
    BufReader::new(File::open(path).with_context(named)?).read_to_end(&mut bytes).with_context(named)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).with_context(named)?;
        bytes = text;
    }
    let raw: Vec<RawCaption> = serde_json::from_slice(&bytes).with_context(named)?;
    raw.into_iter()
        .enumerate()
        .map(|(at, raw)| parsed(raw).with_context(|| format!("caption {at}")).with_context(named))
        .collect()
}

fn parsed(raw: RawCaption) -> Result<Parsed> {
    let sentences = raw.sentences.into_iter().map(graph).collect::<Result<_>>()?;
    let tuple = |mut parts: Vec<String>| {
        let mut next = || if parts.is_empty() { String::new() } else { parts.remove(0) };
        Ok(match (next(), next(), next()) {
            (object, attribute, relation) if !relation.is_empty() => Tuple::Relation(object, attribute, relation),
            (object, attribute, _) if !attribute.is_empty() => Tuple::Attribute(object, attribute),
            (object, _, _) => Tuple::Object(object),
        })
    };
    Ok(Parsed { caption: raw.caption, sentences, tuples: raw.tuples.into_iter().map(tuple).collect::<Result<_>>()? })
}

fn graph(raw: RawSentence) -> Result<Graph> {
    let n = raw.tokens.len();
    if raw.tags.len() != n || raw.lemmas.len() != n {
        bail!("a sentence has {n} tokens, {} tags and {} lemmas", raw.tags.len(), raw.lemmas.len());
    }
    let words = raw.tokens.into_iter().zip(raw.tags).zip(raw.lemmas);
    let mut graph =
        Graph { words: words.map(|((text, tag), lemma)| Word { text, tag, lemma }).collect(), ..Graph::default() };
    for (name, governor, dependent) in raw.deps {
        if governor > n || dependent == 0 || dependent > n {
            bail!("a dependency leads from word {governor} to word {dependent} of {n}");
        }
        graph.edges.push(Edge::named(&name, governor, dependent));
        if governor == 0 {
            graph.roots.push(dependent);
        }
    }
    Ok(graph)
}

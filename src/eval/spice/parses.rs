//! Files of parses: what the reference parser said of some captions, to train on and to compare with.

use super::cleanup::clean_up;
use super::derivation::{Derivation, Nested};
use super::graph::{Edge, Graph, Word};
use super::tuples::{Tuple, tuples};
use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use rsic_util::json::error;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// One caption with the reference's analysis.
#[derive(Debug, Clone)]
pub struct Parsed {
    pub caption: String,
    pub sentences: Vec<Graph>,
    /// How the reference's grammar derives each sentence; `None` where the file does not say.
    pub derivations: Vec<Option<Derivation<String>>>,
    pub tuples: Vec<Tuple>,
}

#[derive(Deserialize)]
struct RawCaption {
    caption: String,
    sentences: Vec<RawSentence>,
    /// Read off the dependencies where the file has none.
    tuples: Option<Vec<Vec<String>>>,
}

#[derive(Deserialize)]
struct RawSentence {
    tokens: Vec<String>,
    tags: Vec<String>,
    lemmas: Vec<String>,
    /// Relation, governor (0: the root's), dependent; words count from 1.
    deps: Vec<(String, usize, usize)>,
    tree: Option<Nested>,
}

/// Reads a list of parses, JSON or JSON compressed by gzip.
///
/// # Errors
/// A file that cannot be read, is no such list, or whose lists do not fit each other.
pub fn read(path: &Path) -> Result<Vec<Parsed>> {
    let named = || format!("cannot read parses from '{}'", path.display());
    let raw: Vec<RawCaption> =
        serde_json::from_slice(&bytes(path).with_context(named)?).map_err(error).with_context(named)?;
    raw.into_iter()
        .enumerate()
        .map(|(at, raw)| parsed(raw).with_context(|| format!("caption {at}")).with_context(named))
        .collect()
}

fn parsed(raw: RawCaption) -> Result<Parsed> {
    let mut derivations = Vec::with_capacity(raw.sentences.len());
    let mut sentences = Vec::with_capacity(raw.sentences.len());
    for mut sentence in raw.sentences {
        derivations.push(sentence.tree.take().map(|tree| derivation(tree, &sentence)).transpose()?);
        sentences.push(graph(sentence)?);
    }
    let tuple = |mut parts: Vec<String>| {
        let mut next = || if parts.is_empty() { String::new() } else { parts.remove(0) };
        match (next(), next(), next()) {
            (object, attribute, relation) if !relation.is_empty() => Tuple::Relation(object, attribute, relation),
            (object, attribute, _) if !attribute.is_empty() => Tuple::Attribute(object, attribute),
            (object, _, _) => Tuple::Object(object),
        }
    };
    let tuples = match raw.tuples {
        Some(tuples) => tuples.into_iter().map(tuple).collect(),
        None => sentences.iter().flat_map(of_graph).collect(),
    };
    Ok(Parsed { caption: raw.caption, sentences, derivations, tuples })
}

fn derivation(tree: Nested, sentence: &RawSentence) -> Result<Derivation<String>> {
    let derivation = Derivation::read(tree)
        .context("a tree is not made of [symbol, word], [symbol, part] and [symbol, part, part]")?;
    let (words, tokens) = (derivation.words(), sentence.tokens.len());
    if words != tokens {
        bail!("a tree has {words} words, its sentence {tokens}");
    }
    Ok(derivation)
}

fn of_graph(graph: &Graph) -> Vec<Tuple> {
    let mut graph = graph.clone();
    clean_up(&mut graph);
    tuples(&graph)
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

/// A caption and its references, cleaned, with the reference's SPICE.
#[derive(Debug, Clone)]
pub struct Scored {
    pub hypothesis: String,
    pub references: Vec<String>,
    pub spice: f64,
    /// By kind: found, wrong and missed tuples.
    pub counts: BTreeMap<String, [i64; 3]>,
}

#[derive(Deserialize)]
struct RawScores {
    items: Vec<RawItem>,
}

#[derive(Deserialize)]
struct RawItem {
    hyp_tok: String,
    refs_tok: Vec<String>,
    scores: serde_json::Map<String, serde_json::Value>,
}

/// Reads groups with scores, JSON or JSON compressed by gzip.
///
/// # Errors
/// A file that cannot be read or is no such list; a group without the reference's score.
pub fn read_scores(path: &Path) -> Result<Vec<Scored>> {
    let named = || format!("cannot read scores from '{}'", path.display());
    let raw: RawScores =
        serde_json::from_slice(&bytes(path).with_context(named)?).map_err(error).with_context(named)?;
    let scored = |(at, item): (usize, RawItem)| {
        let spice = item.scores.get("SPICE").and_then(serde_json::Value::as_f64);
        let mut counts = BTreeMap::new();
        for (kind, value) in item.scores.get("spice").and_then(serde_json::Value::as_object).into_iter().flatten() {
            // Three numbers, or the reference's own object.
            let number =
                |at: usize, name: &str| value.get(at).or_else(|| value.get(name)).and_then(serde_json::Value::as_i64);
            if let (Some(found), Some(wrong), Some(missed)) = (number(0, "tp"), number(1, "fp"), number(2, "fn")) {
                counts.insert(kind.clone(), [found, wrong, missed]);
            }
        }
        Ok(Scored {
            counts,
            hypothesis: item.hyp_tok,
            references: item.refs_tok,
            spice: spice.with_context(|| format!("group {at} has no SPICE")).with_context(named)?,
        })
    };
    raw.items.into_iter().enumerate().map(scored).collect()
}

/// A file's bytes, decompressed where it is compressed by gzip.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    BufReader::new(File::open(path)?).read_to_end(&mut bytes)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?;
    Ok(text)
}

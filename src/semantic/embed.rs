//! Vectors of length 1 of texts and images.

use super::tokens::Tokens;
use crate::models::bert::unit;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use tch::{Device, Kind, Tensor};

/// Texts that go through a network at a time.
const BATCH: usize = 64;

/// A vector of length 1.
pub(super) type Vector = Vec<f64>;

/// The rows of `[B, E]`, scaled to length 1.
pub(super) fn vectors(rows: &Tensor) -> Result<Vec<Vector>> {
    let rows = unit(&rows.to_device(Device::Cpu).to_kind(Kind::Double));
    Ok(Vec::<Vector>::try_from(rows)?)
}

/// The cosine of the angle between vectors of length 1.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The vectors of texts.
pub(super) struct Embedded(BTreeMap<Vec<i64>, Vector>);

impl Embedded {
    /// Each text goes through the network once, beside others of its length: nothing is padded, so that its vector does
    /// not depend on theirs.
    pub(super) fn new<'t>(
        texts: impl Iterator<Item = &'t str>,
        tokens: &Tokens,
        network: &dyn Fn(&[Vec<i64>]) -> Tensor,
    ) -> Result<Self> {
        let mut lengths: BTreeMap<usize, BTreeSet<Vec<i64>>> = BTreeMap::new();
        for text in texts {
            let ids = tokens.ids(text)?;
            lengths.entry(ids.len()).or_default().insert(ids);
        }
        let mut found = BTreeMap::new();
        for alike in lengths.into_values() {
            let alike: Vec<Vec<i64>> = alike.into_iter().collect();
            for batch in alike.chunks(BATCH) {
                found.extend(batch.iter().cloned().zip(vectors(&network(batch))?));
            }
        }
        Ok(Self(found))
    }

    /// The vector of one of the texts.
    pub(super) fn of(&self, text: &str, tokens: &Tokens) -> Result<&Vector> {
        self.0.get(&tokens.ids(text)?).context("a text has no vector")
    }
}

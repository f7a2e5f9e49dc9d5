//! The vectors from which a new model's attributes start.

use crate::data::attributes::Attributes;
use crate::data::glove;
use crate::models::{AttributeVectors, ModelConfig};
use anyhow::{Context, Result};
use tch::Tensor;
use tch::nn::VarStore;

/// Puts the vectors of the word-vector file into the attribute embedding, and says how many words have one. Without a
/// file the embedding stays random, and that is said too.
pub(super) fn begin(model: &ModelConfig, attributes: &Attributes, store: &VarStore) -> Result<()> {
    let Some(AttributeVectors { file, width, parameter }) = model.attribute_vectors() else { return Ok(()) };
    let Some(file) = file else {
        tracing::warn!(
            "{} attribute embeddings initialised randomly; the paper uses GloVe (set model.{}.glove)",
            attributes.len(),
            model.key()
        );
        return Ok(());
    };
    let vectors = glove::read(file, attributes.words(), width)?;
    let embedding = store.variables().remove(parameter).context("the model has no attribute embedding")?;
    tch::no_grad(|| {
        for (row, word) in (0..).zip(attributes.words()) {
            if let Some(vector) = vectors.get(word) {
                embedding.get(row).copy_(&Tensor::from_slice(vector));
            }
        }
    });
    tracing::info!(
        "{} of {} attribute embeddings initialised from '{}'",
        vectors.len(),
        attributes.len(),
        file.display()
    );
    Ok(())
}

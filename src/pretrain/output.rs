//! What a run leaves behind: weights with a description, accuracy, confusion matrices.

use super::confusion::Confusion;
use crate::data::Split;
use crate::models::encoders::{Preprocessing, Trainable};
use crate::train::checkpoint::NamedTensors;
use crate::util::fs::{sha256_file, temporary_beside, write_atomic};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tch::Tensor;

/// The weight file of a run folder; beside it lies its description, `weights.yaml`.
pub const WEIGHTS: &str = "weights.safetensors";

/// The description of a weight file, as in `weights/manifest.yaml` and more.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The encoder.
    pub name: String,
    /// What it was trained on.
    pub version: String,
    /// Of the weight file; filled in when it is written.
    pub sha256: String,
    pub file: String,
    /// The weight file that training began with, and its SHA-256.
    pub started_from: String,
    pub started_from_sha256: Option<String>,
    pub image_size: u32,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// Images of each split.
    pub images: BTreeMap<Split, usize>,
    /// Epoch whose weights these are, and epochs that were run.
    pub epoch: usize,
    pub epochs: usize,
    pub accuracy: BTreeMap<Split, f64>,
    /// In the order of the head's outputs.
    pub classes: Vec<String>,
}

impl Summary {
    /// Writes the encoder's weights, which any `encoders:` of an experiment takes, and their description.
    pub fn write_weights(mut self, encoder: &Trainable, folder: &Path) -> Result<()> {
        let path = folder.join(WEIGHTS);
        let temporary = temporary_beside(&path);
        let host = |(name, tensor): &(String, Tensor)| {
            (name.clone(), tensor.detach().to_device(tch::Device::Cpu).contiguous())
        };
        let tensors: NamedTensors = encoder.variables().iter().map(host).collect();
        let attempt = || -> Result<()> {
            Tensor::write_safetensors(&tensors, &temporary)?;
            fs::File::open(&temporary)?.sync_all()?;
            Ok(fs::rename(&temporary, &path)?)
        };
        attempt()
            .inspect_err(|_| _ = fs::remove_file(&temporary))
            .with_context(|| format!("cannot write '{}'", path.display()))?;
        let Preprocessing { mean, std, .. } = encoder.spec().preprocessing;
        (self.mean, self.std, self.sha256) = (mean, std, sha256_file(&path)?);
        let yaml = format!(
            "# Weights by rsic pretrain; rsic weights info shows the tensors.\n{}",
            serde_yaml::to_string(&self)?
        );
        write_atomic(&path.with_extension("yaml"), yaml.as_bytes())
    }
}

/// Writes `accuracy.json`, and for each split `confusion_<split>.txt`, `.csv` and `.json`.
pub fn write_results(splits: &BTreeMap<Split, Confusion>, folder: &Path) -> Result<()> {
    let accuracy: BTreeMap<&str, f64> =
        splits.iter().map(|(split, confusion)| (split.name(), confusion.accuracy())).collect();
    let mut json = serde_json::to_vec_pretty(&accuracy)?;
    json.push(b'\n');
    write_atomic(&folder.join("accuracy.json"), &json)?;
    for (split, confusion) in splits {
        let path = |extension: &str| folder.join(format!("confusion_{split}.{extension}"));
        write_atomic(&path("txt"), confusion.to_text().as_bytes())?;
        write_atomic(&path("csv"), confusion.to_csv()?.as_bytes())?;
        write_atomic(&path("json"), &serde_json::to_vec(confusion)?)?;
    }
    Ok(())
}

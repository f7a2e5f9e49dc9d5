//! The public weight files that `weights/manifest.yaml` names.

use anyhow::{Context, Result};
use serde::Deserialize;

/// One public weight file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub encoder: String,
    /// torchvision's name of the set of weights: `V1`, `V2`.
    pub version: String,
    /// The first digits of the file's SHA-256.
    pub sha256: String,
    pub url: String,
}

impl Published {
    /// Name of the file, as in the address.
    pub fn file_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }
}

/// Every public weight file, in the order of the manifest.
pub fn manifest() -> Result<Vec<Published>> {
    let text = include_str!("../../../weights/manifest.yaml");
    serde_yaml::from_str(text).context("weights/manifest.yaml, as built into the program")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::encoders::spec;
    use std::collections::BTreeSet;

    #[test]
    fn the_manifest_names_weights_of_every_encoder_and_of_no_other() {
        let manifest = manifest().unwrap();
        let named: BTreeSet<&str> = manifest.iter().map(|published| published.encoder.as_str()).collect();
        assert_eq!(named, spec::names().collect());
        for published in &manifest {
            assert!(published.file_name().contains(&format!("-{}.", published.sha256)), "{published:?}");
        }
    }
}

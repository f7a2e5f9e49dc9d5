//! The public weight files that `weights/manifest.yaml` names.

use crate::util::suggest;
use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// One public file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The encoder whose weights it holds, the word vectors or the segmenter: `resnet101`, `glove.6B`, `sam_vit_b`.
    pub name: String,
    /// `V1`, `V2` (torchvision's two trainings), `timm-a1`, ...
    pub version: String,
    /// What `weights` of an experiment call it.
    #[serde(default = "imagenet")]
    pub training: String,
    /// Size, MiB, rounded.
    pub mib: u32,
    /// SHA-256 of the file, where it is public.
    #[serde(default)]
    sha256: Option<String>,
    /// The first digits of it, where no more is public.
    #[serde(default)]
    sha256_prefix: Option<String>,
    /// Addresses of the file, the first to be asked first.
    pub urls: Vec<String>,
}

fn imagenet() -> String {
    super::IMAGENET.to_owned()
}

impl Published {
    /// Name of the file, as in its addresses.
    pub fn file_name(&self) -> &str {
        self.urls.first().and_then(|url| url.rsplit('/').next()).unwrap_or_default()
    }

    /// What the SHA-256 of the file begins with, in lower-case hexadecimal: all 64 digits where they are public.
    pub fn checksum(&self) -> &str {
        self.sha256.as_deref().or(self.sha256_prefix.as_deref()).unwrap_or_default()
    }

    /// Whether a file of this SHA-256 is the one that is meant.
    pub fn has_checksum(&self, sha256: &str) -> bool {
        !self.checksum().is_empty() && sha256.starts_with(self.checksum())
    }
}

/// Every public weight file, in the order of the manifest.
pub fn manifest() -> Result<Vec<Published>> {
    let text = include_str!("../../weights/manifest.yaml");
    serde_yaml::from_str(text).context("weights/manifest.yaml, as built into the program")
}

/// The file that a user means: `resnet101` (its first version in the manifest), `resnet101:V2`, or a file's name.
/// Letter case does not matter.
pub fn find<'a>(manifest: &'a [Published], asked: &str) -> Result<&'a Published> {
    let (name, version) = asked.split_once(':').map_or((asked, None), |(name, version)| (name, Some(version)));
    let fits = |published: &&Published| {
        published.file_name() == asked
            || published.name.eq_ignore_ascii_case(name)
                && version.is_none_or(|version| published.version.eq_ignore_ascii_case(version))
    };
    if let Some(published) = manifest.iter().find(fits) {
        return Ok(published);
    }
    let versions: Vec<&str> =
        manifest.iter().filter(|p| p.name.eq_ignore_ascii_case(name)).map(|p| p.version.as_str()).collect();
    match version {
        Some(version) if !versions.is_empty() => {
            bail!("{name} has no version '{version}'; versions: {}", versions.join(", "))
        }
        _ => {
            let mut names: Vec<&str> = manifest.iter().map(|published| published.name.as_str()).collect();
            names.dedup();
            bail!("unknown weights '{name}'{}", suggest::hint(name, names))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_a_checksum_and_its_name_agrees_with_it() {
        for published in manifest().unwrap() {
            assert!([8, 64].contains(&published.checksum().len()), "{published:?}");
            if published.sha256.is_none() {
                assert!(published.file_name().contains(&format!("-{}.", published.checksum())), "{published:?}");
            }
            for url in &published.urls {
                assert!(url.starts_with("https://") && url.ends_with(published.file_name()), "{url}");
            }
        }
    }

    #[test]
    fn weights_are_found_by_name_version_and_file() {
        let manifest = manifest().unwrap();
        let file = |asked: &str| find(&manifest, asked).unwrap().file_name();
        assert_eq!(file("resnet101"), "resnet101-63fe2227.pth");
        assert_eq!(file("ResNet101:v2"), "resnet101-cd907fc2.pth");
        assert_eq!(file("resnet50:timm-a1"), "resnet50_a1_0-14fe96d1.pth");
        assert_eq!(file("vgg16-397923af.pth"), "vgg16-397923af.pth");
        let error = |asked: &str| find(&manifest, asked).unwrap_err().to_string();
        assert_eq!(error("vgg16:V3"), "vgg16 has no version 'V3'; versions: V1");
        assert!(error("resnet11").contains("did you mean 'resnet101'?"), "{}", error("resnet11"));
    }
}

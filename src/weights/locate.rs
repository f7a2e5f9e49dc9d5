//! Weight files by encoder and training, under the names that the manifest, torchvision and this program give them.

use super::manifest::{Published, manifest};
use crate::util::fs::sha256_file;
use crate::util::walk;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The training of public weights.
pub const IMAGENET: &str = "imagenet";
/// How weight files end.
const ENDINGS: [&str; 6] = [".safetensors", ".pth", ".pth.tar", ".pt", ".bin", ".npz"];
const MIB: u64 = 1 << 20;

/// Whether `weights` of an encoder names a training (`imagenet`, `imagenet:V2`, `resisc45`) and not a file.
pub fn is_training(weights: &str) -> bool {
    !weights.is_empty() && !weights.contains(['/', '\\', '.']) && !Path::new(weights).exists()
}

/// The training that the name of a missing file tells: `imagenet` of `weights/resnet50_imagenet.safetensors`, the usual
/// one of `resnet50.pth`, `resisc45` of `resnet101_resisc45.safetensors`; `None` of a name of another kind.
pub fn training_of(encoder: &str, file: &str) -> Option<String> {
    let name = Path::new(file).file_name()?.to_str()?;
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?.strip_prefix(encoder)?;
    match stem.strip_prefix('_') {
        Some(training) => Some(training.to_owned()),
        None => stem.is_empty().then(|| IMAGENET.to_owned()),
    }
}

/// The file with the weights of `encoder` by `training`, in the first folder that has one; `None` where none has.
///
/// In each folder, in this order: `NAME_training.*` and, of ImageNet, `NAME.*`; the manifest's files, in its order;
/// `NAME-*`, which is how torchvision names its files; a file of any name with the checksum of the manifest.
///
/// Errors: a folder that cannot be read, and two files of which either could be meant.
pub fn locate(encoder: &str, training: &str, folders: &[PathBuf]) -> Result<Option<PathBuf>> {
    let published = published(encoder, training)?;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let files = weight_files(folder)?;
        if let Some(file) = named(encoder, training, &files, &published)? {
            return Ok(Some(file));
        }
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        if let Some(file) = by_checksum(&weight_files(folder)?, &published)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// Why there is no such file, what lies near, and the one command that gets it.
pub fn missing(encoder: &str, training: &str, folders: &[PathBuf]) -> String {
    let shown: Vec<String> = folders.iter().map(|folder| format!("'{}'", folder.display())).collect();
    let family = encoder.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    let near: Vec<String> = folders
        .iter()
        .flat_map(|folder| weight_files(folder).unwrap_or_default())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| name.starts_with(family))
        .take(3)
        .collect();
    let near = if near.is_empty() { String::new() } else { format!(" (there are: {})", near.join(", ")) };
    let get = match fetched_as(encoder, training) {
        Some(name) => {
            let output = folders.first().filter(|folder| *folder != Path::new("weights"));
            let output = output.map_or_else(String::new, |folder| format!(" --output '{}'", folder.display()));
            format!("download them with 'rsic weights fetch {name}{output}'")
        }
        None => format!("train them with 'rsic pretrain' and name the file {encoder}_{training}.safetensors"),
    };
    format!("no weights of {encoder} ({training}) in {}{near}; {get}", shown.join(" or "))
}

/// What `rsic weights fetch` calls the weights of an encoder by a training; `None` of trainings that are not public.
pub fn fetched_as(encoder: &str, training: &str) -> Option<String> {
    let version = training.split_once(':').map_or_else(String::new, |(_, version)| format!(":{version}"));
    published(encoder, training).unwrap_or_default().first().map(|first| format!("{}{version}", first.name))
}

/// The public files of an encoder by a training; none by trainings that are not public.
fn published(encoder: &str, training: &str) -> Result<Vec<Published>> {
    let (training, version) = training.split_once(':').map_or((training, None), |(t, version)| (t, Some(version)));
    let meant = |published: &Published| {
        published.training == training
            && published.name == encoder
            && version.is_none_or(|version| published.version.eq_ignore_ascii_case(version))
    };
    Ok(manifest()?.into_iter().filter(meant).collect())
}

fn weight_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = walk::entries(folder).with_context(|| format!("cannot read the folder '{}'", folder.display()))?;
    files.retain(|path| ENDINGS.iter().any(|ending| path.to_string_lossy().ends_with(ending)) && path.is_file());
    Ok(files)
}

fn named(encoder: &str, training: &str, files: &[PathBuf], published: &[Published]) -> Result<Option<PathBuf>> {
    let find = |wanted: &str| files.iter().find(|path| path.file_name().is_some_and(|name| name == wanted));
    let mut stems = vec![format!("{encoder}_{}", training.replace(':', "_"))];
    if training == IMAGENET {
        stems.push(encoder.to_owned());
    }
    let ours = stems.iter().flat_map(|stem| ENDINGS.map(|ending| format!("{stem}{ending}")));
    let theirs = published.iter().map(|published| published.file_name().to_owned());
    if let Some(file) = ours.chain(theirs).find_map(|wanted| find(&wanted).cloned()) {
        return Ok(Some(file));
    }
    if training != IMAGENET {
        return Ok(None);
    }
    let begins = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix(encoder).is_some_and(|rest| rest.starts_with(['-', '.']) || rest.starts_with("_imagenet"))
    };
    match files.iter().filter(begins).collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [file] => Ok(Some((*file).clone())),
        [first, second, ..] => bail!(
            "'{}' and '{}' both match {encoder}; select one with --weights {encoder}=FILE",
            first.display(),
            second.display()
        ),
    }
}

/// Only files of about the right size are hashed.
fn by_checksum(files: &[PathBuf], published: &[Published]) -> Result<Option<PathBuf>> {
    for path in files {
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        let near = |published: &&Published| size.abs_diff(u64::from(published.mib) * MIB) <= MIB;
        let candidates: Vec<&Published> = published.iter().filter(near).collect();
        if candidates.is_empty() {
            continue;
        }
        let hash = sha256_file(path)?;
        if candidates.iter().any(|published| published.has_checksum(&hash)) {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let path = folder.path().to_owned();
        (folder, vec![path])
    }

    #[test]
    fn files_are_found_by_the_names_of_manifest_torchvision_and_this_program() {
        for (encoder, training, file) in [
            ("resnet101", "imagenet", "resnet101-63fe2227.pth"),
            ("resnet101", "imagenet:V2", "resnet101-cd907fc2.pth"),
            ("alexnet", "imagenet", "alexnet-owt-7be5be79.pth"),
            ("resnet50", "imagenet", "resnet50_a1_0-14fe96d1.pth"),
            ("resnet50", "imagenet", "resnet50-19c8e357.pth"),
            ("vgg16", "imagenet", "vgg16_imagenet.safetensors"),
            ("vgg16", "imagenet", "vgg16.npz"),
            ("resnext50_32x4d", "imagenet", "resnext50_32x4d-7cdf4587.pth"),
            ("resnet101", "resisc45", "resnet101_resisc45.safetensors"),
        ] {
            let (_keep, folders) = folder(&[file, "README.md", "vgg19_imagenet.safetensors"]);
            let found = locate(encoder, training, &folders).unwrap();
            assert_eq!(found, Some(folders[0].join(file)), "{encoder} {training}");
        }
    }

    #[test]
    fn weights_of_another_training_or_encoder_do_not_stand_in() {
        let (_keep, folders) =
            folder(&["resnet101_resisc45.safetensors", "resnet1010-1.pth", "resnet50-0676ba61.pth.part"]);
        assert_eq!(locate("resnet101", "imagenet", &folders).unwrap(), None);
        assert_eq!(locate("resnet50", "imagenet", &folders).unwrap(), None);
        let said = missing("resnet101", "imagenet", &folders);
        assert!(
            said.contains("no weights of resnet101 (imagenet) in") && said.contains("resnet101_resisc45"),
            "{said}"
        );
        assert!(said.contains("'rsic weights fetch resnet101 --output"), "{said}");
        let said = missing("resnet101", "imagenet:V2", &["weights".into()]);
        assert!(said.ends_with("'rsic weights fetch resnet101:V2'"), "{said}");
    }

    #[test]
    fn a_file_of_any_name_is_found_by_its_checksum() {
        let (_keep, folders) = folder(&[]);
        let content = vec![7u8; 1 << 20];
        std::fs::write(folders[0].join("downloaded (1).pth"), &content).unwrap();
        let hash = crate::util::fs::sha256(&content);
        let one = serde_json::json!({"name": "n", "version": "V1", "mib": 1, "sha256_prefix": hash[..8], "urls": []});
        let published = [serde_json::from_value(one).unwrap()];
        let files = weight_files(&folders[0]).unwrap();
        assert_eq!(by_checksum(&files, &published).unwrap(), Some(folders[0].join("downloaded (1).pth")));
    }

    #[test]
    fn a_training_is_told_from_a_file() {
        assert!(is_training("imagenet") && is_training("imagenet:V2") && !is_training("weights/a.pth"));
        assert_eq!(training_of("resnet50", "weights/resnet50_imagenet.safetensors").as_deref(), Some("imagenet"));
        assert_eq!(training_of("resnet50", "resnet50.pth").as_deref(), Some("imagenet"));
        assert_eq!(training_of("resnet50", "own/best.safetensors"), None);
    }
}

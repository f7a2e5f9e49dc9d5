//! Which weight file each encoder of a table's row gets, and what to do where the paper's are not at hand.

use crate::experiment::Experiment;
use crate::models::encoders::EncoderConfig;
use crate::weights;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `weights` of an encoder with seeded random weights: no file is needed.
pub const RANDOM: &str = "random";
/// Where weights lie that are not given.
const FOLDER: &str = "weights";

/// Where encoder weights come from: the options `--weights` and `--encoder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Folders searched, in order.
    folders: Vec<PathBuf>,
    /// Files given for single encoders.
    files: BTreeMap<String, String>,
    /// Encoders that all rows run with, in place of their own.
    substitute: Vec<String>,
}

impl Sources {
    /// `weights`: `DIR` or `NAME=FILE`, repeatable, `weights/` being the last folder in any case; `encoders`: `NAME` or
    /// `NAME=FILE`, which every row then uses.
    pub fn new(weights: &[String], encoders: &[String]) -> Result<Self> {
        let mut sources = Self { folders: Vec::new(), files: BTreeMap::new(), substitute: Vec::new() };
        for value in weights {
            match value.split_once('=') {
                Some((name, file)) if !Path::new(value).is_dir() => sources.add_file(name, file, "--weights")?,
                _ if Path::new(value).is_dir() => sources.folders.push(value.into()),
                _ => bail!("--weights '{value}' is neither a folder nor NAME=FILE"),
            }
        }
        if !sources.folders.iter().any(|folder| folder == Path::new(FOLDER)) {
            sources.folders.push(FOLDER.into());
        }
        for value in encoders {
            let name = match value.split_once('=') {
                Some((name, file)) => {
                    sources.add_file(name, file, "--encoder")?;
                    name
                }
                None => value,
            };
            if sources.substitute.iter().any(|earlier| earlier == name) {
                bail!("--encoder gives '{name}' twice");
            }
            sources.substitute.push(name.into());
        }
        Ok(sources)
    }

    fn add_file(&mut self, name: &str, file: &str, option: &str) -> Result<()> {
        if name.is_empty() || file.is_empty() {
            bail!("{option} '{name}={file}' is not NAME=FILE");
        }
        if file != RANDOM && !Path::new(file).is_file() {
            bail!("{option} {name}: weight file '{file}' does not exist");
        }
        self.files.insert(name.into(), file.into());
        Ok(())
    }

    /// Encoders of a run: `names` (the row's; the base experiment's where there are none), or the substitute.
    ///
    /// The second value lists, one sentence each, weights that are not at hand.
    pub fn resolve(&self, names: &[String], base: &[EncoderConfig]) -> Result<(Vec<EncoderConfig>, Vec<String>)> {
        let names: Vec<&str> = if !self.substitute.is_empty() {
            self.substitute.iter().map(String::as_str).collect()
        } else if !names.is_empty() {
            names.iter().map(String::as_str).collect()
        } else {
            base.iter().map(|encoder| encoder.name.as_str()).collect()
        };
        let mut missing = Vec::new();
        let mut encoders = Vec::new();
        for name in names {
            let configured = base.iter().find(|encoder| encoder.name == name);
            let asked = configured.map_or(weights::IMAGENET, |encoder| encoder.weights.as_str());
            let weights = match self.weights(name, asked)? {
                Ok(weights) => weights,
                Err(Missing { said, stands_for }) => {
                    missing.push(said);
                    stands_for
                }
            };
            let image_size = configured.or(base.first()).map_or(224, |encoder| encoder.image_size);
            // Stages have other names in another encoder: a substitute stays frozen.
            let tune = configured.and_then(|encoder| encoder.tune.clone());
            let precision = configured.or(base.first()).map_or_else(Default::default, |encoder| encoder.precision);
            let resize =
                if tune.is_some() { configured.map(|encoder| encoder.resize) } else { None }.unwrap_or_default();
            encoders.push(EncoderConfig { name: name.into(), weights, image_size, resize, precision, tune });
        }
        Ok((encoders, missing))
    }

    /// `NAME=FILE` wins, then a file that the experiment names and that exists, then the folders.
    fn weights(&self, name: &str, asked: &str) -> Result<Result<String, Missing>> {
        if let Some(file) = self.files.get(name) {
            return Ok(Ok(file.clone()));
        }
        if asked == RANDOM || Path::new(asked).is_file() {
            return Ok(Ok(asked.to_owned()));
        }
        let training =
            if weights::is_training(asked) { Some(asked.to_owned()) } else { weights::training_of(name, asked) };
        let Some(training) = training else {
            // A file of another name than the usual ones holds other weights, which those cannot stand in for.
            let file = Path::new(asked).file_name().unwrap_or_default();
            let found = self.folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file());
            let said = || format!("weight file '{asked}' for {name} does not exist");
            return Ok(found
                .map(|path| path.to_string_lossy().into_owned())
                .ok_or_else(|| Missing { said: said(), stands_for: asked.to_owned() }));
        };
        let found = weights::locate(name, &training, &self.folders)?.map(|path| path.to_string_lossy().into_owned());
        Ok(found.ok_or_else(|| Missing {
            said: weights::missing(name, &training, &self.folders),
            stands_for: format!("{FOLDER}/{name}_{training}.safetensors"),
        }))
    }
}

/// Weights that are not at hand.
struct Missing {
    /// One sentence.
    said: String,
    /// What a run with them is told by.
    stands_for: String,
}

/// The experiment with a file for each encoder of which it names the training: for a run outside a table. An error for
/// the first one without.
pub fn located(mut experiment: Experiment) -> Result<Experiment> {
    for encoder in &mut experiment.encoders {
        if encoder.weights != RANDOM && weights::is_training(&encoder.weights) {
            encoder.weights = file_of(&encoder.name, &encoder.weights)?;
        }
    }
    Ok(experiment)
}

/// The file with an encoder's weights of a training, among those in `weights/`.
///
/// # Errors
/// None there, with the command that gets it; or several.
pub fn file_of(encoder: &str, training: &str) -> Result<String> {
    Sources::new(&[], &[])?.weights(encoder, training)?.map_err(|missing| anyhow!(missing.said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::encoders::Precision;

    fn folder(files: &[&str]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let path = folder.path().to_string_lossy().into_owned();
        (folder, path)
    }

    #[test]
    fn a_folder_is_searched_by_name_and_absent_weights_are_told() {
        let (_keep, path) = folder(&["densenet169_imagenet.safetensors", "resnet50-0676ba61.safetensors"]);
        let sources = Sources::new(&[path], &[]).unwrap();
        let names = ["densenet169".to_owned(), "resnet50".into(), "resnet101".into()];
        let (encoders, missing) = sources.resolve(&names, &[]).unwrap();
        assert!(encoders[0].weights.ends_with("densenet169_imagenet.safetensors"));
        assert!(encoders[1].weights.ends_with("resnet50-0676ba61.safetensors"));
        assert_eq!(missing.len(), 1);
        assert!(missing[0].contains("resnet101"));
    }

    #[test]
    fn two_candidates_are_an_error_not_a_guess() {
        let (_keep, path) = folder(&["resnet50-a.safetensors", "resnet50-b.safetensors"]);
        let sources = Sources::new(&[path], &[]).unwrap();
        let error = sources.resolve(&["resnet50".to_owned()], &[]).unwrap_err().to_string();
        assert!(error.contains("--weights resnet50=FILE"), "{error}");
    }

    #[test]
    fn weights_of_another_name_are_not_replaced_by_the_usual_ones() {
        let (_kept, path) = folder(&["resnet101_imagenet.safetensors"]);
        let sources = Sources::new(std::slice::from_ref(&path), &[]).unwrap();
        let of = |weights: &str| {
            let precision = Precision::default();
            let encoder = EncoderConfig {
                name: "resnet101".into(),
                weights: weights.into(),
                image_size: 224,
                resize: Default::default(),
                precision,
                tune: None,
            };
            sources.resolve(&[], &[encoder]).unwrap()
        };
        let (usual, missing) = of("weights/resnet101_imagenet.safetensors");
        assert!(usual[0].weights.starts_with(&path) && missing.is_empty());
        let (special, missing) = of("weights/resnet101_resisc45.safetensors");
        assert!(special[0].weights.ends_with("resnet101_resisc45.safetensors"));
        assert_eq!(missing.len(), 1, "{missing:?}");
    }

    #[test]
    fn a_substitute_replaces_every_rows_encoders() {
        let (_keep, path) = folder(&["w.safetensors"]);
        let sources = Sources::new(&[], &[format!("densenet169={path}/w.safetensors")]).unwrap();
        let (encoders, missing) = sources.resolve(&["convnext_base".to_owned(), "resnet152".into()], &[]).unwrap();
        assert_eq!(encoders.len(), 1);
        assert_eq!(encoders[0].name, "densenet169");
        assert!(missing.is_empty());
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_at_once() {
        assert!(Sources::new(&["resnet50=/nonexistent".into()], &[]).is_err());
        assert!(Sources::new(&["/nonexistent".into()], &[]).is_err());
    }
}

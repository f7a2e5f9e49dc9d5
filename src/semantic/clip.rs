//! CLIPScore and RefCLIPScore (Hessel et al. 2021, equations 1 and 2).

use super::Item;
use super::embed::{Embedded, cosine, vectors};
use super::images::prepare;
use super::sentences::{json, weights_in};
use super::tokens::Tokens;
use crate::eval::Scores;
use crate::models::clip::Clip;
use crate::models::encoders::Preprocessing;
use crate::models::layers::Activation;
use crate::util::fs::sha256_file;
use crate::weights::{self, StateDict};
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// What every caption and reference is put behind.
pub const PROMPT: &str = "A photo depicts ";
/// The factor that stretches the cosines, which are small.
const SCALE: f64 = 2.5;
/// Images that go through the network at a time.
const BATCH: usize = 16;

/// A CLIP to score with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipSettings {
    /// A weight file, or a folder with one as Hugging Face has it.
    pub weights: PathBuf,
    /// Its vocabulary; beside the weights where it is `None`.
    pub tokens: Option<PathBuf>,
    /// Told from the file where it is `None`.
    pub activation: Option<Activation>,
}

/// CLIP with its tokeniser.
#[derive(Debug)]
pub(super) struct ClipScore {
    clip: Clip,
    tokens: Tokens,
    file: PathBuf,
    activation: Activation,
    sha256: String,
}

impl ClipScore {
    pub(super) fn open(settings: &ClipSettings, device: Device) -> Result<Self> {
        let given = &settings.weights;
        let file = if given.is_dir() { weights_in(given)? } else { given.clone() };
        let dict = weights::read(&file)?;
        let activation = match settings.activation {
            Some(activation) => activation,
            None => activation(&dict)?,
        };
        let clip = Clip::load(&dict, activation, device)?;
        let beside = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let place = settings.tokens.as_deref().unwrap_or(beside);
        let tokens = Tokens::clip(place, clip.context(), clip.vocabulary())?;
        let sha256 = sha256_file(&file)?;
        Ok(Self { clip, tokens, file, activation, sha256 })
    }

    pub(super) fn score(&self, items: &[Item]) -> Result<Vec<Scores>> {
        let prompted = |text: &str| format!("{PROMPT}{text}");
        let captions = items.iter().map(|item| item.caption);
        let references = items.iter().flat_map(|item| item.references.iter().map(String::as_str));
        let texts: Vec<String> = captions.chain(references).map(prompted).collect();
        let network = |batch: &[Vec<i64>]| self.clip.texts(batch);
        let texts = Embedded::new(texts.iter().map(String::as_str), &self.tokens, &network)?;
        let mut scores = Vec::with_capacity(items.len());
        for batch in items.chunks(BATCH) {
            for (item, image) in batch.iter().zip(self.images(batch)?) {
                let caption = texts.of(&prompted(item.caption), &self.tokens)?;
                let of = |text: &String| Ok(cosine(caption, texts.of(&prompted(text), &self.tokens)?));
                let references = item.references.iter().map(of).collect::<Result<Vec<f64>>>()?;
                let own = SCALE * cosine(&image, caption).max(0.0);
                let nearest = references.into_iter().fold(0.0, f64::max);
                scores.push(Scores(vec![
                    ("CLIPScore".into(), own),
                    ("RefCLIPScore".into(), harmonic_mean(own, nearest)),
                ]));
            }
        }
        Ok(scores)
    }

    fn images(&self, items: &[Item]) -> Result<Vec<Vec<f64>>> {
        let size = self.clip.size();
        let pixels = |item: &Item| prepare(item.image.context("a caption has no image")?, size);
        let pixels: Vec<Vec<u8>> = items.par_iter().map(pixels).collect::<Result<_>>()?;
        let shape = [items.len() as i64, size.into(), size.into(), 3];
        let pixels = Tensor::f_from_data_size(&pixels.concat(), &shape, Kind::Uint8)?;
        vectors(&self.clip.images(&Preprocessing::CLIP.apply(&pixels)))
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let mut notes = vec![format!(
            "CLIPScore: 2.5 x cosine of image and \"{PROMPT}...\" by '{name}' ({}), scale 0 to 2.5; RefCLIPScore: \
             harmonic mean of it and the nearest reference's cosine",
            self.activation.name()
        )];
        notes.extend(trained_on(&self.file).map(|sets| {
            format!("'{name}' was trained on the captions of {sets}: its scores of these datasets favour their wording")
        }));
        notes
    }

    pub(super) fn signature(&self) -> String {
        let contaminated = if trained_on(&self.file).is_some() { "+trained-on-captions" } else { "" };
        format!("{}+{}{contaminated}", self.sha256.get(..12).unwrap_or_default(), self.activation.name())
    }
}

/// 0 where either is.
fn harmonic_mean(a: f64, b: f64) -> f64 {
    if a > 0.0 && b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
}

/// The captioning datasets whose captions a public CLIP, known by its file's name, was trained on.
pub fn trained_on(file: &Path) -> Option<&'static str> {
    let name = file.file_name()?.to_string_lossy().to_lowercase();
    let knows = [
        ("remoteclip", "RSICD, RSITMD and UCM-Captions"),
        ("ret-2", "RSICD and RSITMD"), // GeoRSCLIP, fine-tuned
        ("ret-3", "RSICD, RSITMD and UCM-Captions"),
        ("rsicd", "RSICD"),
    ];
    knows.into_iter().find(|(part, _)| name.contains(part)).map(|(_, sets)| sets)
}

/// The activation of a CLIP, which its tensors do not tell: by the settings beside the file; of OpenAI's files and
/// those made from them by what only they hold or by their names; else OpenCLIP's.
pub fn activation(dict: &StateDict) -> Result<Activation> {
    use Activation::{Gelu, QuickGelu};
    let beside = |name: &str| json::<Value>(&dict.path.with_file_name(name));
    if let Some(config) = beside("open_clip_config.json")? {
        let quick = config.pointer("/model_cfg/quick_gelu").and_then(Value::as_bool).unwrap_or(false);
        return Ok(if quick { QuickGelu } else { Gelu });
    }
    let of_hugging_face = weights::openai_names(dict).is_some();
    if of_hugging_face && let Some(config) = beside("config.json")? {
        let said = config.pointer("/vision_config/hidden_act").or_else(|| config.get("hidden_act"));
        return Ok(if said.and_then(Value::as_str).is_some_and(|said| said == Gelu.name()) { Gelu } else { QuickGelu });
    }
    let name = dict.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let from_openai = of_hugging_face
        || dict.tensors.keys().any(|name| name.ends_with("input_resolution"))
        // GeoRSCLIP, as its authors load it, has OpenAI's.
        || ["quickgelu", "openai", "rs5m"].iter().any(|part| name.contains(part))
        || ["vit-b-32.pt", "vit-b-16.pt", "vit-l-14.pt"].contains(&name.as_str());
    Ok(if from_openai { QuickGelu } else { Gelu })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_activation_is_told_by_settings_beside_the_file_then_by_tensors_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let of = |file: &str, tensor: &str| {
            let one = Tensor::zeros([1], (Kind::Float, Device::Cpu));
            let tensors = BTreeMap::from([(tensor.to_owned(), one)]);
            let path = folder.path().join(file);
            activation(&StateDict { path, format: weights::Format::Safetensors, tensors }).unwrap()
        };
        let theirs = "vision_model.encoder.layers.0.layer_norm1.weight";
        assert_eq!(of("ViT-B-32.pt", "x"), Activation::QuickGelu);
        assert_eq!(of("RS5M_ViT-B-32.pt", "x"), Activation::QuickGelu);
        assert_eq!(of("RemoteCLIP-ViT-B-32.pt", "x"), Activation::Gelu);
        assert_eq!(of("a.pt", "input_resolution"), Activation::QuickGelu);
        assert_eq!(of("model.safetensors", theirs), Activation::QuickGelu);
        std::fs::write(folder.path().join("config.json"), r#"{"vision_config": {"hidden_act": "gelu"}}"#).unwrap();
        assert_eq!(of("model.safetensors", theirs), Activation::Gelu);
        std::fs::write(folder.path().join("open_clip_config.json"), r#"{"model_cfg": {"quick_gelu": true}}"#).unwrap();
        assert_eq!(of("model.safetensors", theirs), Activation::QuickGelu);
    }

    #[test]
    fn files_trained_on_these_captions_are_known_by_their_names() {
        let of = |name: &str| trained_on(Path::new(name));
        assert_eq!(of("w/RemoteCLIP-ViT-L-14.pt"), Some("RSICD, RSITMD and UCM-Captions"));
        assert_eq!(of("RS5M_ViT-B-32_RET-2.pt"), Some("RSICD and RSITMD"));
        assert_eq!(of("RS5M_ViT-B-32.pt"), None);
        assert_eq!(of("remoteclip/ViT-B-32.pt"), None);
    }

    #[test]
    fn the_harmonic_mean_is_zero_where_either_is() {
        assert_eq!(harmonic_mean(0.0, 0.5), 0.0);
        assert!((harmonic_mean(0.6, 0.3) - 0.4).abs() < 1e-12);
    }
}

//! CLIP and BERT against their public implementations: seeded weights (`tests/golden/clip.py` made the numbers).

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use rsic::models::bert::{Bert, BertConfig};
use rsic::models::clip::Clip;
use rsic::models::encoders::{self, layers, spec};
use rsic::models::layers::Activation;
use rsic::weights::{self, Format, StateDict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Largest difference over largest value.
const TOLERANCE: f64 = 1e-5;

fn golden_file(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn golden() -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden_file("clip.json")).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn ids(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

fn rows(value: &Value) -> Vec<Vec<i64>> {
    value.as_array().unwrap().iter().map(ids).collect()
}

/// The three committed pictures, normalised as ImageNet's, `[3, 3, 224, 224]`.
fn images() -> Tensor {
    let image = |index: usize| {
        let pixels = image::open(golden_file(&format!("encoders/scene{index}.png"))).unwrap().into_rgb8();
        let sides = [i64::from(pixels.height()), i64::from(pixels.width()), 3];
        Tensor::from_slice(&pixels.into_raw()).view(sides)
    };
    encoders::Preprocessing::IMAGENET.apply(&Tensor::stack(&[image(0), image(1), image(2)], 0))
}

/// Largest difference from every value, over the largest.
fn difference(found: &Tensor, expected: &Value) -> f64 {
    let expected = numbers(expected);
    let found = Vec::<f64>::try_from(found.contiguous().view(-1).to_kind(Kind::Double)).unwrap();
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    found.iter().zip(&expected).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())) / largest
}

/// [`difference`] from the samples of an account.
fn sampled(found: &Tensor, account: &Value) -> f64 {
    assert_eq!(found.size(), ids(&account["shape"]));
    let flat = found.contiguous().view(-1).to_kind(Kind::Double);
    let apart = difference(&flat.slice(0, None, None, account["stride"].as_i64().unwrap()), &account["samples"]);
    let mean = (flat.abs().mean(Kind::Double).double_value(&[]) - account["mean_abs"].as_f64().unwrap()).abs();
    apart.max(mean / account["max_abs"].as_f64().unwrap())
}

#[test]
fn every_clip_encoder_equals_openclip_before_and_after_folding() {
    let golden = golden();
    let images = images();
    let _no_grad = tch::no_grad_guard();
    let specs: Vec<_> = spec::SPECS.iter().filter(|spec| spec.name.contains("clip")).collect();
    assert_eq!(specs.len(), 6);
    for spec in specs {
        let golden = &golden["encoders"][spec.name];
        let store = VarStore::new(Device::Cpu);
        let mut network = spec.network(&store.root(), Some(10));
        weights::randomise(&store);
        for folded in [false, true] {
            let grid = network.grid(&images, false);
            let found = [
                sampled(&grid, &golden["grid"]),
                sampled(&layers::pool(&grid), &golden["pooled"]),
                sampled(&network.logits(&grid, false).unwrap(), &golden["logits"]),
                sampled(&network.pooled(&images).unwrap(), &golden["class_token"]),
            ];
            println!("{:18} folded {folded:5}: {found:?}", spec.name);
            assert!(found.iter().all(|apart| *apart <= TOLERANCE), "{}, folded {folded}: {found:?}", spec.name);
            assert_eq!(grid.size()[1], spec.channels);
            network.fold(Kind::Float);
        }
    }
}

/// The file of a public model, by the names, shapes and formula of the script.
fn file(shapes: &Value) -> StateDict {
    let mut tensors = BTreeMap::new();
    for entry in shapes.as_array().unwrap() {
        let (name, shape) = (entry[0].as_str().unwrap(), ids(&entry[1]));
        let unit = Tensor::from_slice(&weights::random_values(name, shape.iter().product::<i64>() as usize));
        let centre = if name.contains("norm") && name.ends_with("weight") { 1.0 } else { 0.0 };
        tensors.insert(name.to_owned(), (unit * 0.1 + centre).view(shape.as_slice()));
    }
    StateDict { path: "model.safetensors".into(), format: Format::Safetensors, tensors }
}

#[test]
fn a_clip_of_transformers_gives_its_vectors_of_images_and_texts() {
    let golden = golden();
    let file = file(&golden["clip"]["quick_gelu"]["shapes"]);
    for activation in [Activation::QuickGelu, Activation::Gelu] {
        let expected = &golden["clip"][activation.name()];
        let clip = Clip::load(&file, activation, Device::Cpu).unwrap();
        assert_eq!((clip.size(), clip.context(), clip.vocabulary()), (32, 20, 100));
        let images = Tensor::from_slice(&weights::random_values("images", 2 * 3 * 32 * 32)).view([2, 3, 32, 32]);
        let mut tokens = rows(&expected["tokens"]);
        tokens[0].truncate(5); // what pads it does not matter
        let found = [
            difference(&clip.images(&images), &expected["images"]),
            difference(&clip.texts(&tokens), &expected["texts"]),
        ];
        println!("{}: {found:?}", activation.name());
        assert!(found.iter().all(|apart| *apart <= TOLERANCE), "{}: {found:?}", activation.name());
    }
}

#[test]
fn names_of_openai_below_a_wrapper_and_of_hugging_face_are_the_same_network() {
    let theirs = file(&golden()["clip"]["quick_gelu"]["shapes"]);
    let mut openai = weights::openai_names(&theirs).unwrap();
    openai.tensors = openai.tensors.into_iter().map(|(name, tensor)| (format!("module.{name}"), tensor)).collect();
    assert!(openai.tensors.contains_key("module.visual.transformer.resblocks.1.attn.in_proj_weight"));
    let vectors = |dict: &StateDict| {
        let clip = Clip::load(dict, Activation::QuickGelu, Device::Cpu).unwrap();
        clip.texts(&[vec![98, 4, 99]])
    };
    assert_eq!(vectors(&theirs), vectors(&openai));
    let mut less = file(&golden()["clip"]["quick_gelu"]["shapes"]);
    less.tensors.remove("text_model.encoder.layers.1.self_attn.v_proj.weight");
    let error = Clip::load(&less, Activation::QuickGelu, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("does not match the model"), "{error}");
    let none = file(&golden()["bert"]["shapes"]);
    let error = Clip::load(&none, Activation::QuickGelu, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("is not a CLIP with a vision transformer"), "{error}");
}

#[test]
fn a_bert_gives_the_vectors_of_sentence_transformers() {
    let golden = &golden()["bert"];
    let config: BertConfig = serde_json::from_str(r#"{"num_attention_heads": 4, "hidden_size": 48}"#).unwrap();
    let bert = Bert::load(&file(&golden["shapes"]), &config, Device::Cpu).unwrap();
    let found = difference(&bert.sentences(&rows(&golden["sentences"])), &golden["embeddings"]);
    println!("{found:.1e}");
    assert!(found <= TOLERANCE, "{found}");
    let error = |json: &str| {
        let config: BertConfig = serde_json::from_str(json).unwrap();
        Bert::load(&file(&golden["shapes"]), &config, Device::Cpu).unwrap_err().to_string()
    };
    assert!(error(r#"{"num_attention_heads": 5}"#).contains("48 channels, which 5 heads cannot share"));
    assert!(error(r#"{"num_attention_heads": 4, "hidden_act": "relu"}"#).contains("only 'gelu' is supported"));
}

#[test]
fn a_clip_encoder_takes_files_of_every_layout_and_images_of_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let store = VarStore::new(Device::Cpu);
    let _network = spec::find("clip_vit_b32").unwrap().network(&(store.root() / "visual"), None);
    let _text = (store.root() / "transformer" / "resblocks" / 0 / "ln_1").zeros("weight", &[512]);
    let _proj = (store.root() / "visual").zeros("proj", &[768, 512]);
    let _scale = store.root().zeros("logit_scale", &[]);
    let path = folder.path().join("ViT-B-32.safetensors");
    store.save(&path).unwrap();
    let encoder = encoders::build("clip_vit_b32", path.to_str().unwrap(), Device::Cpu).unwrap();
    assert_eq!(encoder.report().set_aside, ["logit_scale", "proj", "transformer.resblocks.0.ln_1.weight"]);
    let image = Tensor::zeros([1, 3, 256, 192], (Kind::Float, Device::Cpu));
    assert_eq!(encoder.forward(&image).size(), [1, 768, 8, 6]);
    assert_eq!(encoder.pooled(&image).size(), [1, 768]);
    let error = format!("{:#}", encoders::build("clip_vit_l14", path.to_str().unwrap(), Device::Cpu).unwrap_err());
    assert!(error.contains("contains weights of clip_vit_b32, not of clip_vit_l14"), "{error}");
}

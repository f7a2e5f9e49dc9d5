//! Every encoder against torchvision 0.26: seeded weights, three images (`tests/golden/encoders.py` made the numbers).

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use rsic::models::encoders::{self, Precision, layers, spec};
use rsic::weights;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const CLASSES: i64 = 10;
/// Largest difference over largest value.
const TOLERANCE: f64 = 1e-4;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

/// The three committed pictures, normalised, `[3, 3, 224, 224]`.
fn images() -> Tensor {
    let image = |index: usize| {
        let pixels = image::open(golden(&format!("encoders/scene{index}.png"))).unwrap().into_rgb8();
        let (width, height) = (i64::from(pixels.width()), i64::from(pixels.height()));
        Tensor::from_slice(&pixels.into_raw()).view([height, width, 3]).permute([2, 0, 1])
    };
    normalised(&Tensor::stack(&[image(0), image(1), image(2)], 0))
}

/// Bytes of images, `[I, 3, H, W]`, as encoders take them.
fn normalised(bytes: &Tensor) -> Tensor {
    let row = |values: &[f32]| Tensor::from_slice(values).view([1, 3, 1, 1]);
    let imagenet = encoders::Preprocessing::IMAGENET;
    (bytes.to_kind(Kind::Float) / 255.0 - row(&imagenet.mean)) / row(&imagenet.std)
}

/// Largest difference from the golden samples, relative to the largest golden value.
fn difference(tensor: &Tensor, golden: &Value) -> f64 {
    let number = |key: &str| golden[key].as_f64().unwrap();
    let shape: Vec<i64> = golden["shape"].as_array().unwrap().iter().map(|side| side.as_i64().unwrap()).collect();
    assert_eq!(tensor.size(), shape);
    let flat = tensor.contiguous().view(-1).to_kind(Kind::Double);
    let samples = Vec::<f64>::try_from(flat.slice(0, None, None, number("stride") as i64)).unwrap();
    let expected: Vec<f64> = golden["samples"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(samples.len(), expected.len());
    let statistics = [
        flat.abs().max().double_value(&[]) - number("max_abs"),
        flat.mean(Kind::Double).double_value(&[]) - number("mean"),
        flat.abs().mean(Kind::Double).double_value(&[]) - number("mean_abs"),
    ];
    let differences = samples.iter().zip(&expected).map(|(a, b)| a - b).chain(statistics);
    differences.map(f64::abs).fold(0.0, f64::max) / number("max_abs")
}

#[test]
fn every_encoder_equals_torchvision_before_and_after_folding() {
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(golden("encoders.json")).unwrap()).unwrap();
    let images = images();
    let _no_grad = tch::no_grad_guard();
    // tests/clip.rs holds CLIP's, which torchvision does not have, to OpenCLIP.
    for spec in spec::SPECS.iter().filter(|spec| !spec.name.contains("clip")) {
        let store = VarStore::new(Device::Cpu);
        let mut network = spec.network(&store.root(), Some(CLASSES));
        weights::randomise(&store);
        for folded in [false, true] {
            let images = if folded { layers::channels_last(&images) } else { images.copy() };
            let grid = network.grid(&images, false);
            let found = [
                difference(&grid, &golden[spec.name]["grid"]),
                difference(&layers::pool(&grid), &golden[spec.name]["pooled"]),
                difference(&network.logits(&grid, false).unwrap(), &golden[spec.name]["logits"]),
            ];
            println!(
                "{:18} folded {folded:5}: grid {:.1e}, pooled {:.1e}, logits {:.1e}",
                spec.name, found[0], found[1], found[2]
            );
            assert!(
                found.iter().all(|difference| *difference <= TOLERANCE),
                "{}, folded {folded}: {found:?}",
                spec.name
            );
            assert_eq!(grid.size()[1], spec.channels);
            network.fold(Kind::Float);
        }
    }
}

#[test]
fn a_photograph_equals_torchvision_with_seeded_and_published_weights() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let photo = shared.join("datasets/ucm/1.tif");
    let trained = shared.join("weights/densenet169_imagenet.safetensors");
    if !photo.exists() || !trained.exists() {
        println!("skipped: no photograph at '{}', or no weights", photo.display());
        return;
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(golden("encoders_photo.json")).unwrap()).unwrap();
    let image = rsic::data::image::decode_file(&photo).unwrap();
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let pixels = Tensor::from_slice(&image.into_raw()).view([1, height, width, 3]).permute([0, 3, 1, 2]);
    let image = normalised(&pixels);
    let weights = trained.to_str().unwrap();
    for (name, weights, key) in [
        ("resnet50", "random", "resnet50"),
        ("resnet101", "random", "resnet101"),
        ("densenet169", "random", "densenet169"),
        ("densenet169", weights, "densenet169_imagenet"),
    ] {
        let encoder = encoders::build(name, weights, Device::Cpu).unwrap();
        let found = difference(&encoder.forward(&image), &golden[key]);
        println!("{key:22} {found:.1e}");
        assert!(found <= TOLERANCE, "{key}: {found}");
    }
}

#[test]
fn bfloat16_features_are_near_those_of_float() {
    let images = images();
    for name in ["vgg16", "resnet50", "densenet121", "googlenet", "convnext_tiny"] {
        let pooled = |precision| encoders::build_in(name, "random", Device::Cpu, precision).unwrap().pooled(&images);
        let (float, half) = (pooled(Precision::Float32), pooled(Precision::Bfloat16));
        assert_eq!(half.kind(), Kind::Float);
        let difference = (&half - &float).norm().double_value(&[]) / float.norm().double_value(&[]);
        println!("{name:14} {difference:.1e} of the features' norm");
        assert!(difference > 0.0 && difference < 0.05, "{name}: {difference}");
    }
}

#[test]
fn a_batch_gives_the_same_bits_whatever_sizes_came_before() {
    let images = images();
    let one = images.narrow(0, 0, 1);
    for name in ["resnet50", "densenet121"] {
        let encoder = || encoders::build(name, "random", Device::Cpu).unwrap();
        let (fresh, used) = (encoder(), encoder());
        let (three, single) = (fresh.forward(&images), encoder().forward(&one));
        assert_eq!(used.forward(&one), single, "{name}");
        assert_eq!(used.forward(&images), three, "{name}");
        assert_eq!(used.forward(&one), single, "{name}");
    }
}

#[test]
fn gradients_reach_every_parameter_in_training_mode() {
    for spec in &spec::SPECS {
        let store = VarStore::new(Device::Cpu);
        let network = spec.network(&store.root(), Some(CLASSES));
        weights::randomise(&store);
        let images = Tensor::randn([2, 3, 64, 64], (Kind::Float, Device::Cpu));
        let logits = network.logits(&network.grid(&images, true), true).unwrap();
        logits.square().sum(Kind::Float).backward();
        let parameters: std::collections::BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        for (name, parameter) in parameters {
            let frozen = name.contains("running_");
            assert!(frozen || parameter.grad().defined(), "{}: no gradient for {name}", spec.name);
        }
    }
}

#[test]
fn an_unknown_encoder_gets_the_nearest_name() {
    let message = encoders::build("resnet_50", "random", Device::Cpu).unwrap_err().to_string();
    assert_eq!(message, "unknown encoder 'resnet_50'; did you mean 'resnet50'?");
}

/// The parameters of a network as a weight file.
fn write(name: &str, folder: &Path) -> PathBuf {
    let store = VarStore::new(Device::Cpu);
    let _network = spec::find(name).unwrap().network(&store.root(), Some(CLASSES));
    weights::randomise(&store);
    let path = folder.join(format!("{name}.safetensors"));
    store.save(&path).unwrap();
    path
}

#[test]
fn weights_of_another_architecture_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (wanted, given) in
        [("resnet50", "resnet101"), ("resnet101", "resnet50"), ("densenet169", "vgg16"), ("vgg16", "vgg19")]
    {
        let file = write(given, folder.path());
        let message = format!("{:#}", encoders::build(wanted, file.to_str().unwrap(), Device::Cpu).unwrap_err());
        assert!(message.contains(&format!("contains weights of {given}, not of {wanted}")), "{message}");
    }
}

#[test]
fn a_file_with_a_head_gives_what_random_weights_give() {
    let folder = tempfile::tempdir().unwrap();
    let file = write("resnet50", folder.path());
    let loaded = encoders::build("resnet50", file.to_str().unwrap(), Device::Cpu).unwrap();
    assert_eq!(loaded.report().set_aside, ["fc.bias", "fc.weight"]);
    let random = encoders::build("resnet50", "random", Device::Cpu).unwrap();
    let images = images().narrow(0, 0, 1);
    assert_eq!(loaded.pooled(&images), random.pooled(&images));
    assert!(loaded.logits(&images).is_none());
}

#[test]
fn a_classifier_takes_its_classes_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["alexnet", "googlenet", "resnet50", "densenet121", "convnext_tiny"] {
        let file = write(name, folder.path());
        let classifier = encoders::build_classifier(name, file.to_str().unwrap(), Device::Cpu).unwrap();
        assert_eq!(classifier.logits(&images()).unwrap().size(), [3, CLASSES], "{name}");
        assert!(classifier.report().set_aside.is_empty(), "{name}");
    }
    let headless = folder.path().join("headless.safetensors");
    Tensor::write_safetensors(&[("conv1.weight", Tensor::zeros([64, 3, 7, 7], (Kind::Float, Device::Cpu)))], &headless)
        .unwrap();
    let error = encoders::build_classifier("resnet50", headless.to_str().unwrap(), Device::Cpu).unwrap_err();
    assert!(format!("{error:#}").contains("has no classification head (fc.weight)"), "{error:#}");
}

#[test]
fn published_densenet_weights_load_whole() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/weights/densenet169_imagenet.safetensors");
    if !file.exists() {
        println!("skipped: no weights at '{}'", file.display());
        return;
    }
    let encoder = encoders::build("densenet169", file.to_str().unwrap(), Device::Cpu).unwrap();
    assert_eq!((encoder.report().matched.len(), encoder.report().missing.len()), (844, 0));
    let grid = encoder.forward(&images());
    assert_eq!(grid.size(), [3, 1664, 7, 7]);
    assert!(grid.min().double_value(&[]) >= 0.0 && grid.max().double_value(&[]) > 1.0);
}

//! What test files share: a folder with small built-in scenes and commands run in it; greedy search to hold others
//! against; what was published.
#![allow(dead_code, clippy::unwrap_used, clippy::unreachable, clippy::print_stdout)] // each test file uses a part of it

use rsic::data::batch::Batch;
use rsic::data::{END, PAD, START, UNK};
use rsic::models::sam::{Config, DecoderConfig, EncoderConfig, Sam, VitConfig};
use rsic::models::{Captioner, Losses, State};
use rsic::weights::random_values;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tch::{Device, Kind, Tensor};

/// The smallest run: an epoch of one step.
pub(crate) const SMALL: &str = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model: {fe_lws: {layers: 1, stack: ns, embedding: 8, hidden: 8, image: 8, merge: 8}}
train: {batch_size: 64, epochs: 1}
decode: {method: greedy}
";

/// A captioner whose next word depends on the image and on all words so far, through a table of random logits, so that
/// its answers can be worked out by other means. An image's only feature is its number.
pub(crate) struct Table {
    pub(crate) logits: Tensor,
}

impl Table {
    const ROWS: i64 = 997;

    pub(crate) fn new(seed: i64, vocabulary: i64) -> Self {
        tch::manual_seed(seed);
        Self { logits: Tensor::randn([Self::ROWS, vocabulary], (Kind::Float, Device::Cpu)) * 2.0 }
    }
}

impl Captioner for Table {
    fn losses(&self, _: &Batch, _: bool) -> Losses {
        Losses::default()
    }
    fn start(&self, features: &[Tensor]) -> State {
        State::new(vec![features[0].to_kind(Kind::Int64).view([-1])])
    }
    fn step(&self, tokens: &Tensor, state: &mut State) -> Tensor {
        state.tensors[0] = (&state.tensors[0] * 31 + tokens * 7 + 3).remainder(Self::ROWS);
        self.logits.index_select(0, &state.tensors[0])
    }
}

/// Writes weights of a small Segment Anything model, drawn from the names of its parameters.
pub(crate) fn small_sam(file: &Path) {
    let encoder = VitConfig { patch: 8, width: 32, heads: 2, mlp: 64, window: 3, global: vec![false, true], reach: 8 };
    let config = Config {
        image_size: 64,
        channels: 64,
        encoder: EncoderConfig::Vit(encoder),
        decoder: DecoderConfig { mlp: 64, inner: 32, iou_width: 32, mask_channels: 8, ..DecoderConfig::default() },
    };
    let seeded = |(name, tensor): (String, Tensor)| {
        let shape = tensor.size();
        let scale = 1.5 / (shape.iter().skip(1).product::<i64>() as f64).sqrt();
        let values = Tensor::from_slice(&random_values(&name, tensor.numel())).view(shape.as_slice()) * scale;
        (name, values.to_kind(Kind::Float))
    };
    let tensors: Vec<(String, Tensor)> =
        Sam::new(config, Device::Cpu).unwrap().variables().into_iter().map(seeded).collect();
    Tensor::write_safetensors(&tensors, file).unwrap();
}

/// A folder of that name with 51 scenes of 64 pixels in `scenes`, made anew, and a feature cache of its own.
pub(crate) fn workplace(name: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).unwrap();
    succeeds(&rsic(&place, &["data", "scenes", "scenes", "--count", "51", "--size", "64"]));
    place
}

/// `rsic` with these arguments in a workplace, not started yet.
pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(place: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsic"));
    command.args(arguments).current_dir(place).env("RSIC_CACHE", place.join("cache"));
    command.env_remove("RSIC_DEVICE").stdin(Stdio::null());
    command
}

pub(crate) fn rsic<S: AsRef<std::ffi::OsStr>>(place: &Path, arguments: &[S]) -> Output {
    command(place, arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The standard output of a command that succeeded.
pub(crate) fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// One clear sentence, exit code 2, and no panic.
pub(crate) fn refused(output: &Output, says: &[&str]) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    for part in says {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}

/// Writes `eight/dataset.json` in a workplace: eight of its scenes, one in `every`, a caption each, in all splits. What
/// learns them by heart says them.
pub(crate) fn eight(place: &Path, every: usize) {
    let text = fs::read_to_string(place.join("scenes/dataset.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut images = Vec::new();
    for image in json["images"].as_array().unwrap().iter().step_by(every).take(8) {
        for split in ["train", "val", "test"] {
            let mut copy = image.clone();
            copy["sentences"] = serde_json::json!([image["sentences"][0]]);
            copy["split"] = split.into();
            images.push(copy);
        }
    }
    fs::create_dir_all(place.join("eight")).unwrap();
    let dataset = serde_json::json!({"dataset": "eight", "images": images});
    fs::write(place.join("eight/dataset.json"), dataset.to_string()).unwrap();
}

/// The lines of predictions of a run, of which each must be its image's reference.
pub(crate) fn by_heart(predictions: &str) -> Vec<serde_json::Value> {
    let lines: Vec<serde_json::Value> = predictions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 8);
    for line in &lines {
        assert_eq!(line["caption"], line["references"][0], "{}", line["file"]);
    }
    lines
}

/// Greedy search written on its own: the tokens of one image.
pub(crate) fn greedy(model: &dyn Captioner, features: &[Tensor], max_length: usize) -> Vec<i64> {
    tch::no_grad(|| {
        let mut state = model.start(features);
        let (mut tokens, mut last) = (Vec::new(), START);
        while tokens.len() < max_length {
            let mut logits =
                Vec::<f32>::try_from(model.step(&Tensor::from_slice(&[last]), &mut state).view([-1])).unwrap();
            [PAD, START, UNK].iter().for_each(|&id| logits[id as usize] = f32::NEG_INFINITY);
            last = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as i64;
            if last == END {
                break;
            }
            tokens.push(last);
        }
        tokens
    })
}

/// A file or folder of the reference data beside the crate; prints a note where there is none.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(name);
    if !path.exists() {
        println!("skipped: there is no '{}'", path.display());
        return None;
    }
    Some(path)
}

/// The digits after a key of a line of YAML, as they are written.
pub(crate) fn digits(line: &str, key: &str) -> String {
    line.split(key).nth(1).unwrap().split([',', '}']).next().unwrap().trim().to_owned()
}

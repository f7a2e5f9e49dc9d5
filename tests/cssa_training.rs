//! Both stages of CSSA through the real binary on a small set of built-in scenes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{by_heart, command, eight, rsic, succeeds, text};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use tch::Tensor;

/// Scenes, an experiment on them and a feature cache, made once.
fn workplace() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = common::workplace("cssa_training");
        let experiment = "name: small
data: {root: scenes, vocabulary: {min_count: 2}}
encoders: [{name: resnet50, weights: random, image_size: 64}]
model:
  cssa:
    width: 32
    heads: 4
    inner: 48
    encoder_layers: 2
    decoder_layers: 2
    augment: {views: 2, text: {synonyms: 0}}
first_stage: {batch_size: 16, epochs: 3, optimizer: {lr: 1e-3}, early_stop: {metric: R_mean, patience: 3}}
train: {batch_size: 8, epochs: 3, optimizer: {lr: 2e-3}, early_stop: {metric: CIDEr}}
decode: {method: beam, beam: 3}
";
        fs::write(place.join("small.yaml"), experiment).unwrap();
        succeeds(&rsic(&place, &["features", "small.yaml"]));
        place
    })
}

fn weights(place: &Path, checkpoint: &str) -> BTreeMap<String, Tensor> {
    let file = place.join(checkpoint).join("model.safetensors");
    Tensor::read_safetensors(file).unwrap().into_iter().collect()
}

#[test]
fn a_run_cut_in_either_stage_continues_and_equals_an_uninterrupted_one_bit_for_bit() {
    let place = workplace();
    let last = |run: &str| fs::read(place.join(run).join("checkpoints/last/model.safetensors")).unwrap();
    let counted_on = "train.schedule={noam: {warmup: 100, d_model: 64, continued: true}}";
    let train = |run: &'static str| ["train", "small.yaml", counted_on, "--output", run];
    succeeds(&rsic(place, &train("whole")));
    let scores = |run: &str| fs::read_to_string(place.join(run).join("first_stage/scores.json")).unwrap();
    let parsed: serde_json::Value = serde_json::from_str(&scores("whole")).unwrap();
    for split in ["val", "test"] {
        for time in ["before", "after"] {
            assert!(parsed[time][split]["i2t_R@10"].is_number(), "{parsed}");
        }
    }
    for (run, until) in [("cut1", "first_stage/checkpoints/last"), ("cut2", "checkpoints/last")] {
        let mut child = command(place, &train(run)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !place.join(run).join(until).exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let refused = rsic(place, &train(run));
        assert!(text(&refused.stderr).contains("--resume"), "{}", text(&refused.stderr));
        succeeds(&rsic(place, &[&train(run)[..], &["--resume"]].concat()));
        assert!(last("whole") == last(run), "{run} differs");
        assert_eq!(scores("whole"), scores(run));
    }
    // The trained model captions as it did when it was scored.
    let predictions = |folder: &Path| {
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder.join("predictions")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl")); // not the times
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect::<String>()
    };
    let before = predictions(&place.join("whole"));
    succeeds(&rsic(place, &["eval", "whole"]));
    assert_eq!(before, predictions(&place.join("whole")));
}

/// A run as it was when the first stage was called `pretrain`: in its settings and as its folder.
#[test]
fn a_run_made_under_the_old_name_of_the_first_stage_resumes_with_one_warning() {
    let place = workplace();
    let train = ["train", "small.yaml", "--output", "old", "first_stage.epochs=1"];
    succeeds(&rsic(place, &[&train[..], &["train.epochs=1"]].concat()));
    let run = place.join("old");
    fs::rename(run.join("first_stage"), run.join("pretrain")).unwrap();
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    fs::remove_file(run.join("result.json")).unwrap();
    let config = fs::read_to_string(run.join("config.yaml")).unwrap();
    fs::write(run.join("config.yaml"), config.replace("\nfirst_stage:", "\npretrain:")).unwrap();

    let other = rsic(place, &[&train[..], &["train.epochs=1", "train.seed=9", "--resume"]].concat());
    assert!(text(&other.stderr).contains("other settings: train.seed"), "{}", text(&other.stderr));
    let resume = ["train", "small.yaml", "--output", "old", "pretrain.epochs=1", "train.epochs=1", "--resume"];
    let resumed = rsic(place, &resume);
    succeeds(&resumed);
    let said = text(&resumed.stderr);
    let warning = "in override 'pretrain.epochs=1': 'pretrain' is now called 'first_stage'";
    assert!(said.contains(warning) && said.matches("is now called").count() == 1, "{said}");
    assert!(!run.join("first_stage").exists());
    assert_eq!(fs::read_to_string(run.join("config.yaml")).unwrap(), config);
    let result: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap();
    assert_eq!(result["first_stage"].as_array().unwrap().len(), 1, "{}", result["first_stage"]);
    assert!(result["stage_scores"]["after"].is_object());
}

/// With a learning rate of nothing the captioning stage leaves what it began with.
#[test]
fn the_captioning_stage_begins_with_what_the_first_stage_hands_on() {
    let place = workplace();
    let still = ["train.optimizer.lr=1e-30", "train.epochs=1"];
    let train = |run: &str, more: &[&str]| {
        succeeds(&rsic(place, &[&["train", "small.yaml", "--output", run], &still[..], more].concat()));
        weights(place, &format!("{run}/checkpoints/best"))
    };
    let fresh = train("fresh", &["first_stage="]);
    let handed = train("handed", &[]);
    let withheld = train("withheld", &["model.cssa.transfer_text=false"]);
    let learnt = weights(place, "handed/first_stage/checkpoints/best");
    let mut moved = 0;
    // Parameters of exactly 0 have taken the tiny steps.
    let same = |one: &Tensor, other: &Tensor| (one - other).abs().max().double_value(&[]) < 1e-20;
    for (name, value) in &handed {
        assert!(same(value, &learnt[name]), "{name}");
        moved += usize::from(!same(value, &fresh[name]));
        let expected = if name.starts_with("decoder.") { &fresh[name] } else { &learnt[name] };
        assert!(same(&withheld[name], expected), "{name}");
    }
    assert!(moved > handed.len() / 2, "{moved} of {} parameters were trained", handed.len());
    for name in ["decoder.output.weight", "decoder.layers.1.multihead_attn.out_proj.weight"] {
        assert!(same(&handed[name], &fresh[name]), "{name} is new in the captioning stage");
    }
}

/// Rates and steps as the records tell them.
#[test]
fn one_counter_runs_over_both_stages_where_asked_and_an_epoch_sees_one_caption_or_all() {
    let place = workplace();
    let noam = "schedule={noam: {warmup: 1000, d_model: 1";
    let (first, on) = (format!("first_stage.{noam}}}}}"), format!("train.{noam}, continued: true}}}}"));
    let anew = format!("train.{noam}}}}}");
    let train = |run: &str, more: &[&str]| {
        let all = ["train", "small.yaml", "--output", run, "first_stage.epochs=1", &first, "train.log_steps=1"];
        succeeds(&rsic(place, &[&all[..], &["first_stage.log_steps=1", "train.epochs=2"], more].concat()));
        let rates = |file: &str| -> Vec<f64> {
            let text = fs::read_to_string(place.join(run).join(file)).unwrap();
            let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["lr"].as_f64().unwrap();
            text.lines().map(|text| (line(text) * 1000f64.powf(1.5)).round()).collect()
        };
        (rates("first_stage/steps.jsonl"), rates("steps.jsonl"))
    };
    let (one, alone) = train("counted_anew", &["first_stage.examples=one_caption", &anew]);
    let (all, on) = train("counted_on", &[&on]);
    assert!(all.len() > 3 * one.len(), "five captions an image: {} steps and {}", all.len(), one.len());
    assert_eq!(on[0], all.len() as f64 + 1.0);
    assert_eq!((one[0], *on.last().unwrap()), (1.0, (all.len() + on.len()) as f64));
    assert_eq!((alone[0], alone.len()), (1.0, on.len()));
}

#[test]
fn a_first_stage_is_refused_where_the_model_has_none_and_its_metric_is_checked() {
    let place = workplace();
    let says = |arguments: &[&str], expected: &str| {
        let output = rsic(place, &[&["config", "show", "small.yaml"], arguments].concat());
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    says(&["first_stage.early_stop.metric=CIDEr"], "R_mean");
    says(&["model={fe_lws: {}}"], "no first training stage");
    says(&["model.cssa.heads=5"], "divisor");
    says(&["first_stage.examples=images"], "captions or one_caption");
    says(&["first_stage.schedule={noam: {warmup: 9, d_model: 4, continued: true}}"], "none before it");
}

#[test]
fn paraphrases_are_listed_checked_merged_and_used() {
    let place = workplace();
    let listed = rsic(place, &["data", "augment-text", "scenes", "--list"]);
    succeeds(&listed);
    let captions: Vec<String> = text(&listed.stdout).lines().map(String::from).collect();
    assert!(captions.len() > 20 && captions.is_sorted());
    let good: String = captions.iter().map(|caption| format!("{caption}\tseen from above {caption}\n")).collect();
    fs::write(place.join("good.tsv"), &good).unwrap();
    fs::write(place.join("bad.tsv"), format!("{good}no tab here\nan unknown caption\tanother one\n")).unwrap();
    let checked = rsic(place, &["data", "augment-text", "scenes", "good.tsv", "bad.tsv", "-o", "merged.tsv"]);
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    for part in [&format!("bad.tsv, line {}:", captions.len() + 1), "1 invalid lines, 1 pairs of unknown captions"] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
    succeeds(&rsic(place, &["data", "augment-text", "small.yaml", "merged.tsv"]));
    let used = ["train", "small.yaml", "--output", "paraphrased", "first_stage.epochs=1", "train.epochs=1"];
    let setting = ["model.cssa.augment.text.paraphrases=merged.tsv"];
    succeeds(&rsic(place, &[&used[..], &setting].concat()));
    let broken = rsic(place, &[&used[..], &["model.cssa.augment.text.paraphrases=bad.tsv", "--overwrite"]].concat());
    assert_eq!(broken.status.code(), Some(2));
    assert!(text(&broken.stderr).contains("'bad.tsv', line"), "{}", text(&broken.stderr));
}

/// The views are augmented pixels then; the parts that are not tuned stay as they are.
#[test]
fn both_stages_train_an_encoder_that_is_tuned() {
    let place = workplace();
    let short = ["first_stage.epochs=1", "train.epochs=1", "encoders.0.tune.stages=[layer4]", "--output", "tuned"];
    succeeds(&rsic(place, &[&["train", "small.yaml"][..], &short].concat()));
    let (first, second) =
        (weights(place, "tuned/first_stage/checkpoints/last"), weights(place, "tuned/checkpoints/last"));
    let name = |layer: &str| format!("encoder.{layer}.0.conv1.weight");
    assert_ne!(first[&name("layer4")], second[&name("layer4")]);
    assert_eq!(first[&name("layer3")], second[&name("layer3")]);
    let untrained = ["first_stage.optimizer.lr=1e-12", "first_stage.epochs=1", "train.epochs=1"];
    let still = ["encoders.0.tune.stages=[layer4]", "--output", "still"];
    succeeds(&rsic(place, &[&["train", "small.yaml"][..], &untrained, &still].concat()));
    let still = weights(place, "still/first_stage/checkpoints/last");
    let change = |layer: &str| (&first[&name(layer)] - &still[&name(layer)]).abs().max().double_value(&[]);
    assert!(change("layer4") > 1e-4 && change("layer3") == 0.0, "{} {}", change("layer4"), change("layer3"));
}

/// Without a first stage; saved and loaded, and from pixels.
#[test]
fn it_learns_eight_images_by_heart_and_says_the_same_after_loading() {
    let place = workplace();
    eight(place, 6);
    let mut train = vec!["train", "small.yaml", "name=eight", "data.root=eight", "data.images=../scenes/imgs"];
    train.extend(["data.vocabulary.min_count=1", "first_stage=null", "model.cssa.dropout=0", "train.epochs=200"]);
    train.extend(["train.optimizer.lr=0.001", "train.schedule=constant"]);
    train.extend([
        "train.early_stop={metric: ROUGE_L, patience: 200}",
        "decode.method=greedy",
        "--output",
        "eight_run",
    ]);
    succeeds(&rsic(place, &train));
    let read = |run: &str| fs::read_to_string(place.join(run).join("predictions/test-greedy.jsonl")).unwrap();
    let lines = by_heart(&read("eight_run"));
    succeeds(&rsic(place, &["eval", "eight_run", "--output", "eight_again"]));
    assert_eq!(read("eight_again"), read("eight_run"));
    let mut arguments = vec!["caption".to_owned(), "--model".into(), "eight_run".into()];
    arguments.extend(lines.iter().map(|line| format!("scenes/imgs/{}", line["file"].as_str().unwrap())));
    let captioned = succeeds(&rsic(place, &arguments));
    for (printed, line) in captioned.lines().zip(&lines) {
        assert_eq!(printed.split('\t').nth(1), line["caption"].as_str());
    }
}

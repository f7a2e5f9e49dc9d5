//! `report` and `compare` through the real binary, on runs of a few steps.
#![allow(clippy::unwrap_used)]

mod common;

use common::{refused, rsic, succeeds, text, workplace};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const SHARED: &str = "data: {root: scenes, vocabulary: {min_count: 2, max_length: 25}}
train: {batch_size: 64, epochs: 2, optimizer: {lr: 5e-3}}
decode: {method: beam, beam: 2}
";

/// Runs of three models, one of them with two seeds.
fn runs() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let place = workplace("report_command");
        let encoder = "encoders: [{name: densenet121, weights: random, image_size: 64}]\n";
        let write = |name: &str, model: &str| {
            fs::write(place.join(format!("{name}.yaml")), format!("name: {name}\n{SHARED}{encoder}model: {model}\n"))
                .unwrap();
        };
        write("gru", "{fe_lws: {layers: 2, embedding: 16, hidden: 16, image: 16, merge: 24}}");
        let jtts = "{jtts: {words: {above: 5}, hidden: 16, embedding: 8, attribute_embedding: 8, attention: 8, \
                    classifier: [16, 8]}}";
        write("jtts", jtts);
        let s2cpnet =
            "{s2cpnet: {grid: 2, width: 16, heads: 2, units: 1, masks: {mode: solid}, noun_words: {min_count: 2}}}";
        write("s2cpnet", s2cpnet);
        for (name, seed) in [("gru", 1), ("gru", 2), ("jtts", 1), ("s2cpnet", 1)] {
            let seed = (format!("train.seed={seed}"), format!("runs/{name}{seed}"));
            succeeds(&rsic(&place, &["train", &format!("{name}.yaml"), &seed.0, "--output", &seed.1]));
        }
        place
    })
}

/// The data of a page's gallery.
fn data(page: &str) -> Value {
    let start = page.split("<script type=\"application/json\" id=\"data\">").nth(1).unwrap();
    serde_json::from_str(start.split("</script>").next().unwrap()).unwrap()
}

#[test]
fn one_page_holds_all_runs_with_what_each_model_shows_of_itself() {
    let place = runs();
    let printed = succeeds(&rsic(place, &["report", "runs", "--output", "all.html"]));
    assert!(printed.contains("measured, 2 seeds"), "{printed}");
    let page = fs::read_to_string(place.join("all.html")).unwrap();
    for outside in ["http://", "https://", "src=\"//", "@import", "url("] {
        assert!(!page.contains(outside), "the page reaches out with {outside}");
    }
    for part in
        ["id=\"scores\"", "id=\"curves\"", "id=\"wording\"", "id=\"gallery\"", "Environment", "To repeat this page"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("report runs --output all.html"), "the command to repeat it");
    assert!(page.contains("attribute_embedding: 8"), "the resolved settings");
    let data = data(&page);
    let sources = data["sources"].as_array().unwrap();
    let labels: Vec<&str> = sources.iter().map(|source| source["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["gru, beam 2, seed 1", "jtts, beam 2, seed 1", "s2cpnet, beam 2, seed 1"]);
    let [gru, jtts, s2cpnet] = [0, 1, 2].map(|index| &sources[index]["captions"][0]);
    assert!(gru.get("attention").is_none() && gru.get("attributes").is_none());
    let words = |caption: &Value| caption["text"].as_str().unwrap().split(' ').filter(|word| !word.is_empty()).count();
    for caption in [jtts, s2cpnet] {
        assert_eq!(caption["grid"], serde_json::json!([2, 2]));
        assert_eq!(caption["attention"].as_array().unwrap().len(), words(caption) + 1);
    }
    assert!((8..=16).contains(&jtts["attributes"].as_array().unwrap().len()));
    let images = data["images"].as_array().unwrap();
    assert!(images.iter().all(|image| image["mask"].as_str().is_some_and(|mask| mask.starts_with("data:image/jpeg"))));
}

#[test]
fn a_run_has_its_page_beside_it_and_takes_in_what_eval_adds() {
    let place = runs();
    succeeds(&rsic(place, &["eval", "runs/jtts1", "decode.method=greedy", "--output", "elsewhere"]));
    let result = || fs::read_to_string(place.join("runs/jtts1/result.json")).unwrap();
    assert!(!result().contains("\"name\":\"greedy\""), "what goes elsewhere stays elsewhere");
    succeeds(&rsic(place, &["train", "jtts.yaml", "train.seed=3", "--output", "other/jtts"]));
    succeeds(&rsic(place, &["eval", "other/jtts", "decode.method=greedy"]));
    succeeds(&rsic(place, &["eval", "other/jtts", "decode.method=greedy"]));
    succeeds(&rsic(place, &["report", "other/jtts"]));
    let page = fs::read_to_string(place.join("other/jtts/report.html")).unwrap();
    let labels: Vec<Value> =
        data(&page)["sources"].as_array().unwrap().iter().map(|one| one["label"].clone()).collect();
    assert_eq!(labels, ["jtts, beam 2, seed 3", "jtts, greedy, seed 3"]);
}

#[test]
fn what_is_no_run_is_refused_with_the_way_to_one() {
    let place = runs();
    refused(&rsic(place, &["report", "nowhere"]), &["run folder 'nowhere' does not exist"]);
    refused(&rsic(place, &["report", "scenes"]), &["no finished run in 'scenes'"]);
    fs::create_dir_all(place.join("half/checkpoints")).unwrap();
    fs::write(place.join("half/config.yaml"), "name: half\n").unwrap();
    refused(&rsic(place, &["report", "half"]), &["'half' did not finish", "by rerunning the original command"]);
    fs::write(place.join("half/command.txt"), "rsic train half.yaml train.seed=2\n").unwrap();
    let continued = "continue it with: rsic train half.yaml train.seed=2 --resume";
    refused(&rsic(place, &["report", "half"]), &[continued]);
    fs::write(place.join("half/STATUS"), "done\n").unwrap();
    refused(&rsic(place, &["compare", "half", "runs/gru1"]), &["rsic eval half"]);
}

#[test]
fn two_runs_are_compared_image_by_image() {
    let place = runs();
    let arguments = ["compare", "runs/gru1", "runs/jtts1", "--out", "c.json", "--html", "c.html", "--bootstrap", "200"];
    let printed = succeeds(&rsic(place, &arguments));
    assert!(printed.contains("A: gru, beam 2, seed 1\nB: jtts, beam 2, seed 1\n"), "{printed}");
    let json: Value = serde_json::from_str(&fs::read_to_string(place.join("c.json")).unwrap()).unwrap();
    let of = |metric: &str, index: usize| json["corpus"][index][metric].as_f64().unwrap();
    for difference in json["differences"].as_array().unwrap() {
        let metric = difference["metric"].as_str().unwrap();
        let value = difference["difference"].as_f64().unwrap();
        assert!((value - (of(metric, 0) - of(metric, 1))).abs() < 1e-12, "{metric}");
        assert!(difference["low"].as_f64().unwrap() <= difference["high"].as_f64().unwrap());
        assert!(printed.contains(metric));
    }
    // The corpus scores are those of the runs, and images come by their gain.
    let result: Value =
        serde_json::from_str(&fs::read_to_string(place.join("runs/gru1/result.json")).unwrap()).unwrap();
    assert!((result["decodings"][0]["scores"]["CIDEr"].as_f64().unwrap() - of("CIDEr", 0)).abs() < 1e-12);
    let gains: Vec<f64> =
        json["images"].as_array().unwrap().iter().map(|image| image["difference"].as_f64().unwrap()).collect();
    assert_eq!(gains.len(), result["images"].as_array().unwrap().len());
    assert!(gains.is_sorted_by(|a, b| a >= b));
    let page = fs::read_to_string(place.join("c.html")).unwrap();
    assert!(page.contains("id=\"differences\"") && page.contains("<option value=\"1\" selected>jtts, beam 2, seed 1"));
    assert_eq!(rsic(place, &arguments).stdout, printed.as_bytes(), "the same every time");
}

#[test]
fn files_of_captions_and_runs_of_the_same_images_can_be_mixed() {
    let place = runs();
    let file = "runs/jtts1/predictions/test-beam-2.jsonl";
    let same = succeeds(&rsic(place, &["compare", "runs/jtts1", file, "--bootstrap", "50"]));
    assert!(same.contains("CIDEr") && same.contains("+0.0000, +0.0000]  1.0000"), "{same}");
    refused(&rsic(place, &["compare", "runs/jtts1", file, "--html", "x.html"]), &["--html needs two run folders"]);
    fs::write(place.join("plain.json"), "[{\"image_id\": 1, \"caption\": \"a road\"}]").unwrap();
    refused(&rsic(place, &["compare", file, "plain.json"]), &["--references"]);
    refused(&rsic(place, &["compare", "runs/gru1", "runs/gru2", "--metric", "CIDER2"]), &["did you mean 'CIDEr'?"]);
    let seeds = rsic(place, &["compare", "runs/gru1", "runs/gru2", "--decoding", "beam 9"]);
    refused(&seeds, &["no decoding 'beam 9'", "beam 2"]);
    assert!(text(&rsic(place, &["compare", "runs/gru1", "runs/gru2"]).stdout).contains("seed 2"));
}

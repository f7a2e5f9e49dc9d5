//! `reproduce` from plan to page, with training faked: what is printed, what is skipped, what survives a failure.

#![allow(clippy::unwrap_used)] // helpers of tests, too, may stop at what cannot be

mod report_fakes;

use report_fakes::{Fake, arguments, load};
use rsic::cli::ReproduceArgs;
use rsic::commands::{ExitStatus, reproduce::reproduce};
use std::path::Path;

const TABLE: &str = "tests/golden/report/table.yaml";
const COMMAND: &str = "rsic reproduce tests/golden/report/table.yaml";

struct Setting {
    folder: tempfile::TempDir,
    args: ReproduceArgs,
}

fn setting() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let args = arguments(Path::new(TABLE), &folder.path().join("runs"));
    Setting { folder, args }
}

impl Setting {
    /// Prints to text; the temporary folder is called OUT, hashes of experiments HASH.
    fn reproduce(&self, runner: &mut Fake) -> anyhow::Result<(ExitStatus, String)> {
        let mut out = Vec::new();
        let status = reproduce(&self.args, COMMAND, &load, runner, &mut out)?;
        Ok((status, self.plain(&String::from_utf8(out)?)))
    }

    fn plain(&self, text: &str) -> String {
        let hash = regex::Regex::new("-[0-9a-f]{10}\\b").unwrap();
        hash.replace_all(&text.replace(&self.folder.path().display().to_string(), "OUT"), "-HASH").into_owned()
    }

    fn file(&self, name: &str) -> String {
        self.plain(&std::fs::read_to_string(self.args.output.join("tables").join(name)).unwrap())
    }
}

/// Compares with a file of `tests/golden/report`; RSIC_UPDATE_GOLDEN=1 writes it anew.
fn golden(name: &str, text: &str) {
    let path = Path::new("tests/golden/report").join(name);
    if std::env::var_os("RSIC_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "differs from {}", path.display());
}

#[test]
fn scores_of_word_ids_stand_beside_those_of_words_and_are_set_against_the_published_ones() {
    let setting = setting();
    let on_ids = rsic::eval::Scores(vec![("CIDEr".into(), 3.0625)]);
    let (_, printed) = setting.reproduce(&mut Fake { on_ids, ..Fake::default() }).unwrap();
    let line = printed.lines().position(|line| line.contains("greedy, word ids")).unwrap();
    let (scores, difference) = (printed.lines().nth(line).unwrap(), printed.lines().nth(line + 1).unwrap());
    assert!(scores.contains("3.0625") && difference.contains("difference"), "{printed}");
    assert!(setting.file("fe_lws_XX_ucm.csv").contains("\"greedy, word ids\",CIDEr,"), "{printed}");
}

#[test]
fn every_form_of_a_table_is_as_recorded() {
    let setting = setting();
    let (status, printed) = setting.reproduce(&mut Fake::default()).unwrap();
    assert_eq!(status, ExitStatus::Failure, "a row without weights is a goal not met");
    golden("printed.txt", &printed);
    for ending in [".txt", ".md", ".csv", "_runs.csv", ".tex"] {
        golden(&format!("table{ending}"), &setting.file(&format!("fe_lws_XX_ucm{ending}")));
    }
}

#[test]
fn a_table_ends_with_what_no_model_made_and_says_what_scores_are_worth() {
    let setting = setting();
    let (_, printed) = setting.reproduce(&mut Fake { worth: true, ..Fake::default() }).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    let row = lines.iter().position(|line| line.starts_with("retrieval (")).unwrap_or_else(|| panic!("{printed}"));
    assert!(lines[row].contains("nearest image") && lines[row].contains("0.5000"), "{printed}");
    assert!(lines[row + 1].contains("consensus") && lines[row + 1].contains("0.2500"), "{printed}");
    for note in [
        "of 12 captions are training captions, ",
        "CIDEr 2.0000 on the 8 images with a reference among the training captions, 1.0000 on the 4 without",
        "scored as rsic:test",
    ] {
        assert!(lines[row..].iter().any(|line| line.contains(note)), "{printed}");
    }
}

/// `V --rows NS` with DenseNet and Table II's row of DenseNet are one run.
#[test]
fn a_row_measured_with_another_encoder_names_the_published_row_of_that_encoder() {
    let mut setting = setting();
    setting.args.tables = vec!["experiments/fe_lws/table_V.yaml".into()];
    setting.args.rows = vec!["DC=1 NS".into(), "DC=2 SS".into()];
    setting.args.encoder = vec!["densenet169=random".into()];
    let (_, printed) = setting.reproduce(&mut Fake::default()).unwrap();
    let notes: Vec<&str> = printed.lines().filter(|line| line.contains("published with the same encoder")).collect();
    assert_eq!(notes.len(), 1, "there is no row of SS with DenseNet: {printed}");
    assert!(notes[0].contains("fe_lws table II, DenseNet") && notes[0].contains("CIDEr"), "{}", notes[0]);
    assert!(printed.contains("CIDEr by seed 1, 2, 3: greedy "), "{printed}");
}

#[test]
fn a_table_without_published_numbers_prints_measured_ones_alone() {
    let mut setting = setting();
    let yaml = "paper: demo\ntable: demo\ntitle: Demo\ndataset: scenes\nbase: scenes.yaml\ncolumns: [METEOR, CIDEr]\n\
                rows:\n  - {method: NS, run: {set: {model.fe_lws.stack: ns}}}\n  - {method: LWS-3, run: {}}\n";
    let path = setting.folder.path().join("table.yaml");
    std::fs::write(&path, yaml).unwrap();
    setting.args.tables = vec![path.display().to_string()];
    let (status, printed) = setting.reproduce(&mut Fake::default()).unwrap();
    assert_eq!(status, ExitStatus::Success);
    golden("without_published.txt", &printed);
}

#[test]
fn a_measured_variant_is_never_set_against_the_published_metric() {
    let setting = setting();
    setting.reproduce(&mut Fake::default()).unwrap();
    for line in setting.file("fe_lws_XX_ucm.csv").lines().skip(1) {
        if line.contains(",METEOR,") {
            let after = line.split(",METEOR,").nth(1).unwrap();
            let fields: Vec<&str> = after.split(',').collect();
            assert_eq!(fields[1..5], ["", "", "", ""], "{line}");
        }
        if line.contains(",METEOR (exact+stem),") {
            let after = line.split(",METEOR (exact+stem),").nth(1).unwrap();
            let fields: Vec<&str> = after.split(',').collect();
            assert_eq!((fields[0], fields[4]), ("", ""), "{line}");
        }
    }
}

#[test]
fn a_failing_run_does_not_stop_the_others_and_is_run_again() {
    let setting = setting();
    let mut failing = Fake { fail: Some("-ns-".into()), ..Fake::default() };
    let (status, printed) = setting.reproduce(&mut failing).unwrap();
    assert_eq!(status, ExitStatus::Failure);
    assert_eq!(failing.calls.len(), 4, "two seeds each of NS and LWS: {:?}", failing.calls);
    assert!(printed.contains("failed: the loss is not a number in epoch 3"), "{printed}");
    assert!(printed.contains("FE-LWS = LWS DC=3, seed 2"), "{printed}");
    let ns = failing.calls.iter().find(|call| call.contains("-ns-")).unwrap();
    assert!(Path::new(ns).join("failure.txt").exists());

    let mut mended = Fake::default();
    setting.reproduce(&mut mended).unwrap();
    assert_eq!(mended.calls.len(), 2, "finished runs are kept: {:?}", mended.calls);
    assert!(mended.calls.iter().all(|call| call.contains("-ns-")));
    assert!(!Path::new(ns).join("failure.txt").exists());
    let mut nothing = Fake::default();
    let (_, printed) = setting.reproduce(&mut nothing).unwrap();
    assert!(nothing.calls.is_empty());
    golden("printed.txt", &printed);
}

#[test]
fn an_interrupt_stops_at_once_and_the_same_command_goes_on() {
    let setting = setting();
    let mut interrupted = Fake { interrupt_at: Some(1), ..Fake::default() };
    let (status, _) = setting.reproduce(&mut interrupted).unwrap();
    assert_eq!(status, ExitStatus::Interrupted);
    assert_eq!(interrupted.calls.len(), 2);
    let mut resumed = Fake::default();
    let (_, printed) = setting.reproduce(&mut resumed).unwrap();
    assert_eq!(resumed.calls.len(), 3);
    golden("printed.txt", &printed);
}

#[test]
fn only_decodings_that_are_not_there_yet_are_asked_for() {
    let mut setting = setting();
    let few = std::fs::read_to_string(TABLE).unwrap().replace("decodings: [greedy, beam]", "decodings: [greedy]");
    let path = setting.folder.path().join("table.yaml");
    std::fs::write(&path, few).unwrap();
    setting.args.tables = vec![path.display().to_string()];
    setting.args.rows = vec!["FE-LWS".into()];
    setting.reproduce(&mut Fake::default()).unwrap();
    setting.args.tables = vec![TABLE.into()];
    let mut runner = Fake::default();
    let (_, printed) = setting.reproduce(&mut runner).unwrap();
    assert_eq!(runner.calls.len(), 2);
    assert!(printed.contains("greedy") && printed.contains("beam 5"), "{printed}");
}

#[test]
fn a_substitute_encoder_is_named_with_its_weights_in_every_form() {
    let mut setting = setting();
    let weights = setting.folder.path().join("densenet169_imagenet.safetensors");
    std::fs::write(&weights, "weights").unwrap();
    setting.args.encoder = vec![format!("densenet169={}", weights.display())];
    setting.args.overrides = vec!["train.epochs=3".into()];
    let (status, printed) = setting.reproduce(&mut Fake::default()).unwrap();
    assert_eq!(status, ExitStatus::Success);
    let said = "densenet169 (densenet169_imagenet.safetensors, sha256 1a2b3c4d) in place of";
    assert!(printed.contains(&format!("The image encoder differs from the paper's: {said} resnet50, convnext_base.")));
    assert!(printed.contains(&format!("measured with {said} convnext_base")), "{printed}");
    assert!(printed.contains("Settings changed in every run: train.epochs=3."), "{printed}");
    assert!(printed.contains("These rows share one run: FE-LWS, LWS DC=3, C-LWS."), "{printed}");
    for ending in [".md", ".tex", ".html"] {
        let text = setting.file(&format!("fe_lws_XX_ucm{ending}")).replace("\\_", "_");
        assert!(text.contains("sha256 1a2b3c4d) in place of"), "{ending}");
    }
    assert!(setting.file("fe_lws_XX_ucm.csv").contains("sha256 1a2b3c4d"));
}

#[test]
fn weights_that_changed_since_a_run_are_not_passed_over() {
    let mut setting = setting();
    let weights = setting.folder.path().join("w.safetensors");
    std::fs::write(&weights, "one").unwrap();
    setting.args.encoder = vec![format!("densenet169={}", weights.display())];
    setting.args.rows = vec!["NS".into()];
    setting.args.seeds = vec![1];
    let mut runner = Fake::default();
    setting.reproduce(&mut runner).unwrap();
    // The stand-in records only a file name and a made-up hash; a real run records the file that it read.
    let path = Path::new(&runner.calls[0]).join("result.json");
    let mut result: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    result["encoders"][0]["weights"] = weights.display().to_string().into();
    std::fs::write(&path, result.to_string()).unwrap();
    let (status, printed) = setting.reproduce(&mut Fake::default()).unwrap();
    assert_eq!(status, ExitStatus::Failure);
    assert!(printed.contains("has changed since the run in"), "{printed}");
}

#[test]
fn nothing_to_run_for_want_of_weights_is_one_sentence() {
    let mut setting = setting();
    setting.args.rows = vec!["C-LWS".into()];
    let error = format!("{:#}", setting.reproduce(&mut Fake::default()).unwrap_err());
    assert!(error.contains("no weights of convnext_base (imagenet) in 'weights'"), "{error}");
    assert!(error.contains("--encoder"), "{error}");
}

#[test]
fn a_dry_run_lists_rows_runs_and_what_is_done() {
    let mut setting = setting();
    setting.args.rows = vec!["LWS".into()];
    setting.args.seeds = vec![1];
    setting.reproduce(&mut Fake::default()).unwrap();
    setting.args.rows = Vec::new();
    setting.args.dry_run = true;
    let mut runner = Fake::default();
    let (status, printed) = setting.reproduce(&mut runner).unwrap();
    assert_eq!((status, runner.calls.len()), (ExitStatus::Success, 0));
    golden("dry_run.txt", &printed);
}

#[test]
fn a_dry_run_of_hundreds_of_runs_is_told_in_a_dozen_lines() {
    let mut setting = setting();
    setting.args.dry_run = true;
    setting.args.seeds = (1..=100).collect();
    let (_, printed) = setting.reproduce(&mut Fake::default()).unwrap();
    assert!(printed.lines().count() <= 12, "{printed}");
    for line in [
        "fe_lws: tables 1, rows to measure 4",
        "distinct runs 3, with seeds 300",
        "  100 cannot run for want of weights",
        "  200 to be trained",
        "  weights that are public: rsic weights fetch convnext_base",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no '{line}' in\n{printed}");
    }
}

#[test]
fn the_page_escapes_what_comes_from_files_and_needs_no_network() {
    let setting = setting();
    let nasty = "</script><img src=x onerror=alert(1)> a \"quoted\" & odd caption";
    setting.reproduce(&mut Fake { caption: Some(nasty.into()), ..Fake::default() }).unwrap();
    let page = setting.file("fe_lws_XX_ucm.html");
    assert!(!page.contains("<img src=x"), "markup from a caption reached the page");
    assert!(page.contains("\\u003c/script>\\u003cimg src=x"));
    assert!(page.contains("SVM-D &lt;BOW&gt; [6]") && !page.contains("<BOW>"));
    assert_eq!(page.matches("</script>").count(), 2);
    for outside in ["http://", "https://", "src=\"//", "@import", "url("] {
        assert!(!page.contains(outside), "the page reaches out with {outside}");
    }
    assert!(page.contains("image not found"), "a picture that is not there has a placeholder");
    assert!(page.contains(COMMAND));
    for line in ["val, before</th><td>0.125</td>", "val, after</th><td>0.750</td>"] {
        assert!(page.contains(line), "what the first stage was worth");
    }
}

//! Experiment files as a user meets them: inheritance, overrides, and every error at once with its place.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use rsic::config::{ConfigError, Origin};
use rsic::experiment;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const GOOD: &str = "\
name: test/one
data:
  root: datasets/ucm
encoders:
  - name: densenet121
    weights: random
model:
  fe_lws:
    stack: lws
    layers: 3
";

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn load(path: &Path, overrides: &[&str]) -> anyhow::Result<experiment::Loaded> {
    experiment::load(path, &overrides.iter().map(|text| text.to_string()).collect::<Vec<_>>())
}

/// The error of loading `text`, with the folder's name taken out.
fn error(text: &str, overrides: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "x.yaml", text);
    error_of(&folder, &path, overrides)
}

fn error_of(folder: &TempDir, path: &Path, overrides: &[&str]) -> String {
    let error = load(path, overrides).expect_err("an error");
    format!("{error:#}").replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn defaults_fill_what_a_file_leaves_out_and_origins_tell_which() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "x.yaml", GOOD);
    let loaded = load(&path, &["train.seed=7"]).unwrap();
    assert_eq!((loaded.experiment.train.seed, loaded.experiment.train.batch_size), (7, 64));
    assert_eq!(loaded.origins.of("train.seed"), Origin::Override);
    assert_eq!(loaded.origins.of("train.batch_size"), Origin::Default);
    assert_eq!(loaded.origins.of("encoders.0.weights"), Origin::File { path: path.clone(), line: 6 });
    let text = loaded.to_annotated_yaml().unwrap();
    assert!(text.contains("weights: random") && text.contains(&format!("# {}:6\n", path.display())), "{text}");
    assert!(text.contains("# override\n") && text.contains("# default\n"), "{text}");
}

#[test]
fn the_resolved_experiment_loads_again_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "x.yaml", GOOD);
    let overrides = ["train.clip_norm=0.1", "train.optimizer.eps=1e-9", "name=true", "decode.method=comparison"];
    let loaded = load(&path, &overrides).unwrap();
    for text in [experiment::to_yaml(&loaded.experiment).unwrap(), loaded.to_annotated_yaml().unwrap()] {
        let again = load(&write(&folder, "again.yaml", &text), &[]).unwrap();
        assert_eq!(again.experiment, loaded.experiment, "{text}");
    }
}

#[test]
fn bases_lie_under_the_file_and_later_bases_over_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "base/a.yaml", &format!("{GOOD}train: {{seed: 1, batch_size: 8, epochs: 3}}\n"));
    write(&folder, "base/b.yaml", "train: {seed: 2, batch_size: 16}\n");
    let path = write(&folder, "top/x.yaml", "base: [../base/a.yaml, ../base/b.yaml]\ntrain:\n  seed: 3\n");
    let loaded = load(&path, &["model.fe_lws.layers=2"]).unwrap();
    let train = &loaded.experiment.train;
    assert_eq!((train.seed, train.batch_size, train.epochs), (3, 16, 3));
    assert_eq!(loaded.origins.of("train.batch_size").to_string(), format!("{}/base/b.yaml:1", folder.path().display()));
    let model = loaded.experiment.model.get::<rsic::models::fe_lws::Config>().unwrap();
    assert_eq!(model.layers, 2);
    assert_eq!(loaded.files.len(), 3);
}

#[test]
fn a_cycle_of_bases_and_a_base_that_is_not_there_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.yaml", "base: b.yaml\n");
    let path = write(&folder, "b.yaml", "base: a.yaml\n");
    assert!(error_of(&folder, &path, &[]).contains("a.yaml:1:7: base: 'b.yaml' has itself as base"));
    let path = write(&folder, "c.yaml", "base: gone.yaml\n");
    let error = error_of(&folder, &path, &[]);
    assert!(error.contains("c.yaml:1:7: base: cannot read 'gone.yaml': No such file"), "{error}");
    let path = write(&folder, "d.yaml", "base: 3\n");
    assert!(error_of(&folder, &path, &[]).contains("d.yaml:1:7: base: expected the name of a file, found 3"));
}

#[test]
fn every_error_is_told_at_once_with_file_line_column_and_excerpt() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "base.yaml", &GOOD.replace("layers: 3", "layers: -3").replace("stack: lws", "stack: lvs"));
    let path = write(
        &folder,
        "x.yaml",
        "base: base.yaml\ntrain:\n  optimizer:\n    lr: fast\n    lr: 2\n  erly_stop: {patience: 3}\n  batch_size: 0\n",
    );
    let overrides = ["train.sed=2", "model.fe_lws.dropout=1.5", "encoders.4.name=x", "decode.beam", "=3", "a.=3"];
    let expected = "\
12 faults in the experiment
x.yaml:4:9: train.optimizer.lr: wrong value (expected a number, found \"fast\")
  4 |     lr: fast
    |         ^^^^
x.yaml:5:5: train.optimizer.lr: duplicate key 'lr' (first given in line 4)
  5 |     lr: 2
    |     ^^
x.yaml:6:3: train.erly_stop: unknown setting; did you mean 'early_stop'?
  6 |   erly_stop: {patience: 3}
    |   ^^^^^^^^^
x.yaml:7:15: train.batch_size: too small (expected at least 1, found 0)
  7 |   batch_size: 0
    |               ^
";
    let error = error_of(&folder, &path, &overrides);
    assert!(error.starts_with(expected), "{error}");
    for line in [
        "base.yaml:9:12: model.fe_lws.stack: unknown value (expected ns, ss, cs, gws or lws, found \"lvs\")",
        "base.yaml:10:13: model.fe_lws.layers: wrong value (expected a whole number that is not negative, found -3)",
        "in override 'train.sed=2': train.sed: unknown setting; did you mean 'seed'?",
        "in override 'model.fe_lws.dropout=1.5': model.fe_lws.dropout: out of range (expected at least 0 and below 1, \
        found 1.5)",
        "in override 'encoders.4.name=x': encoders.4.name: 'encoders' is a list of 1, counted from 0; it has no '4'",
        "in override 'decode.beam': no '='; write key=value, for example train.seed=2",
        "in override '=3': '' is not a dotted key, e.g. train.seed",
        "in override 'a.=3': 'a.' is not a dotted key, e.g. train.seed",
    ] {
        assert!(error.contains(line), "no '{line}' in\n{error}");
    }
    let count = load(&path, &["train.sed=2"]).unwrap_err().downcast::<ConfigError>().unwrap().count();
    assert_eq!(count, 7);
}

#[test]
fn a_missing_setting_is_told_once_at_the_map_that_lacks_it() {
    let text = GOOD.replace("  root: datasets/ucm\n", "  text: raw\n").replace("name: densenet121\n    ", "");
    let error = error(&text, &[]);
    assert!(error.contains("x.yaml:2:1: data.root: missing; this setting has no default"), "{error}");
    assert!(error.contains("encoders.0.name: missing; this setting has no default"), "{error}");
    assert!(error.starts_with("2 faults"), "{error}");
    let empty = crate::error("", &[]);
    assert!(empty.starts_with("4 faults"), "{empty}");
}

#[test]
fn settings_that_do_not_fit_each_other_are_refused() {
    for (overrides, expected) in [
        (&["model.fe_lws.stack=ns"][..], "model.fe_lws.layers: stack 'ns' has one GRU (expected 1, found 3)"),
        (&["train.early_stop.metric=ROUGE-L"], "did you mean 'ROUGE_L'?"),
        (&["data.vocabulary.splits=[train, vall]"], "data.vocabulary.splits.1: unknown value"),
        (&["encoders=[]"], "encoders: empty (expected at least one encoder)"),
        (&["train.optimizer.betas=[0.9]"], "train.optimizer.betas: wrong length (expected a list of 2, found 1)"),
        (&["train.optimizer.lr=0"], "train.optimizer.lr: out of range (expected more than 0, found 0)"),
        (&["train.optimizer.lr=.nan"], "train.optimizer.lr: wrong value (expected a number, found \".nan\")"),
        (&["name=../x"], "name: not a valid run name"),
        (&["name=[1"], "in override 'name=[1': name: not valid YAML"),
        (&["model={jtss: {}}"], "model: unknown value"),
        (&["model=fe_lws"], "model.fe_lws: wrong value (expected a map of settings"),
        (&["train=3"], "train: wrong value (expected a map of settings, found 3)"),
    ] {
        let error = error(GOOD, overrides);
        assert!(error.contains(expected), "{overrides:?}: no '{expected}' in\n{error}");
        assert!(!error.contains("faults"), "{overrides:?}: more than one fault in\n{error}");
    }
}

#[test]
fn numbers_that_no_machine_could_do_are_faults_of_their_settings() {
    for (setting, most) in [
        ("decode.max_length", 1000),
        ("decode.beam", 1000),
        ("decode.batch_size", 65_536),
        ("decode.comparison.neighbours", 65_536),
        ("data.vocabulary.max_length", 1000),
        ("model.fe_lws.hidden", 16_384),
        ("model.fe_lws.layers", 256),
        ("train.batch_size", 65_536),
        ("train.accumulate", 65_536),
        ("train.bucket", 65_536),
        ("train.epochs", 1_000_000_000),
        ("train.warmup_steps", 1_000_000_000),
        ("train.early_stop.beam", 1000),
    ] {
        let found = 4_000_000_000_u64;
        let error = error(GOOD, &[&format!("{setting}={found}")]);
        let expected = format!("{setting}: too large (expected at most {most}, found {found})");
        assert!(error.contains(&expected), "no '{expected}' in\n{error}");
    }
    for endless in ["train.optimizer.lr=1e999", "train.clip_norm=.inf", "decode.length_penalty=1e999"] {
        let error = error(GOOD, &[endless]);
        assert!(error.contains("found"), "{endless}: {error}");
    }
}

#[test]
fn an_unset_optional_setting_takes_its_default_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "x.yaml", &format!("{GOOD}train: {{clip_norm: 5}}\n"));
    assert_eq!(load(&path, &[]).unwrap().experiment.train.clip_norm, Some(5.0));
    for unset in ["train.clip_norm=", "train.clip_norm=null"] {
        assert_eq!(load(&path, &[unset]).unwrap().experiment.train.clip_norm, None);
    }
}

#[test]
fn a_file_that_is_no_map_or_no_text_or_not_there_is_one_sentence() {
    assert!(error("- a\n", &[]).starts_with("x.yaml:1:1: expected a map of settings, found a list"));
    assert!(error("a: [1\nb: 3\n", &[]).starts_with("x.yaml:2:"), "{}", error("a: [1\nb: 3\n", &[]));
    let folder = tempfile::tempdir().unwrap();
    assert!(error_of(&folder, &folder.path().join("gone.yaml"), &[]).starts_with("cannot read 'gone.yaml'"));
    let path = folder.path().join("binary.yaml");
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(error_of(&folder, &path, &[]).starts_with("cannot read 'binary.yaml'"));
}

const TWO_STAGES: &str = "\
name: test/two
data: {root: datasets/ucm}
encoders: [{name: resnet50, weights: random}]
model: {cssa: {}}
pretrain:
  epochs: 2
  early_stop: {metric: R_mean}
";

#[test]
fn a_setting_under_its_old_name_is_the_same_setting_in_files_bases_and_overrides() {
    let folder = tempfile::tempdir().unwrap();
    let old = write(&folder, "old.yaml", TWO_STAGES);
    let new = load(&write(&folder, "new.yaml", &TWO_STAGES.replace("pretrain", "first_stage")), &[]).unwrap();
    let loaded = load(&old, &[]).unwrap();
    assert_eq!(loaded.experiment, new.experiment);
    assert_eq!(loaded.origins.of("first_stage.epochs"), Origin::File { path: old.clone(), line: 6 });
    assert!(experiment::to_yaml(&loaded.experiment).unwrap().contains("\nfirst_stage:\n"));

    let over = write(&folder, "over.yaml", "base: old.yaml\nfirst_stage: {epochs: 3}\n");
    let stage = |path: &Path, overrides: &[&str]| load(path, overrides).unwrap().experiment.first_stage;
    assert_eq!(stage(&over, &[]).unwrap().epochs, 3);
    let changed = load(&over, &["pretrain.batch_size=7", "first_stage.epochs=4"]).unwrap();
    let first_stage = changed.experiment.first_stage.unwrap();
    assert_eq!((first_stage.batch_size, first_stage.epochs), (7, 4));
    assert_eq!(changed.origins.of("first_stage.batch_size"), Origin::Override);
    assert!(stage(&over, &["pretrain=null"]).is_none());
}

#[test]
fn faults_of_a_setting_under_its_old_name_stand_where_it_was_written() {
    let wrong = error(&TWO_STAGES.replace("epochs: 2", "epochs: two"), &[]);
    assert!(wrong.starts_with("x.yaml:6:11: first_stage.epochs: wrong value"), "{wrong}");
    let both = error(&format!("{TWO_STAGES}first_stage: {{early_stop: {{metric: R_mean}}}}\n"), &[]);
    assert!(both.starts_with("x.yaml:5:1: pretrain: now called 'first_stage', which is set here, too"), "{both}");
}

/// Runs that were made under the old name are found by the identity of their experiment.
#[test]
fn a_renamed_setting_leaves_the_identity_of_an_experiment_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = load(&write(&folder, "x.yaml", TWO_STAGES), &[]).unwrap().experiment;
    let identity = experiment.identity().unwrap();
    experiment.name.clear();
    experiment.train.seed = 0;
    experiment.decode = Default::default();
    let first_written = serde_json::to_string(&experiment).unwrap().replace("\"first_stage\":", "\"pretrain\":");
    assert_eq!(identity, rsic::util::fs::sha256(first_written.as_bytes()));
}

//! The shipped experiments and tables of S2CPNet: settings, published digits, planned runs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{digits, shared};
use rsic::data::{Dataset, Vocabulary};
use rsic::decode::Unfinished;
use rsic::experiment::{self, Experiment};
use rsic::experiments::catalog::of_paper;
use rsic::models::ModelSettings;
use rsic::models::s2cpnet::{Config, Preset};
use rsic::train::{ScheduleConfig, ScoredAs};
use std::collections::BTreeSet;
use std::path::Path;

const NUMBERS: [&str; 7] = ["I", "II", "III", "IV", "V", "VI", "VII"];

fn load(name: &str, overrides: &[String]) -> (Experiment, Config) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("experiments/s2cpnet/{name}.yaml"));
    let experiment = experiment::load(&path, overrides).unwrap_or_else(|error| panic!("{error:#}")).experiment;
    let model = experiment.model.get::<Config>().unwrap_or_else(|| panic!("{name}: another model")).clone();
    (experiment, model)
}

#[test]
fn experiments_have_the_settings_of_paper_and_program() {
    for (dataset, lr) in [("ucm", 1e-4), ("sydney", 1e-4), ("nwpu", 2e-4)] {
        let (paper, model) = load(dataset, &[]);
        assert_eq!(model, Config::default(), "{dataset}");
        let train = &paper.train;
        assert_eq!((train.batch_size, train.epochs, train.optimizer.lr), (48, 100, lr));
        assert_eq!((train.early_stop.metric.as_str(), train.early_stop.patience), ("METEOR", 20));
        let ScheduleConfig::Plateau(plateau) = &train.schedule else { panic!("{dataset}: another schedule") };
        assert_eq!((plateau.factor, plateau.every), (0.2, Some(5)));
        assert_eq!((paper.decode.beam, paper.data.vocabulary.min_count), (3, 6));
        assert_eq!(paper.encoders[0].tune.as_ref().unwrap().stages, ["layer2", "layer3", "layer4"]);

        let (author, model) = load(&format!("{dataset}_author"), &[]);
        assert_eq!(model, Config { preset: Preset::AuthorCode, ..Config::default() });
        assert_eq!(author.train.early_stop.score, ScoredAs::Ids);
        assert_eq!(author.data.vocabulary.splits, ["train", "val", "test"]);
        let ScheduleConfig::Plateau(plateau) = &author.train.schedule else { panic!("{dataset}: another schedule") };
        assert_eq!((plateau.factor, author.train.optimizer.lr), (0.8, 1e-4));
        assert!(!author.data.vocabulary.lowercase);
        let decode = &author.decode;
        assert_eq!((decode.max_length, decode.unfinished), (Some(26), Unfinished::Drop));
        assert!(!decode.suppress_unk && !decode.suppress_specials);
        let parts: Vec<(&str, bool, Option<f64>)> =
            author.train.parts.iter().map(|part| (part.prefix.as_str(), part.decay, part.clip_value)).collect();
        let expected = [("decoder", true, Some(5.0)), ("encoder", true, Some(5.0)), ("encoder_feat", false, None)];
        assert_eq!(parts, expected);
    }
}

/// The program counts words over five in all splits as they are written.
#[test]
fn the_programs_words_keep_their_case() {
    let Some(ucm) = shared("datasets/ucm") else { return };
    let (experiment, _) = load("ucm_author", &[&format!("data.root={}", ucm.display())].map(|s| s.to_owned()));
    let dataset = Dataset::load_captions(&experiment.data).unwrap();
    let vocabulary = Vocabulary::build(&dataset, &experiment.data.vocabulary).unwrap();
    assert_eq!(vocabulary.len() - 4, 297);
}

#[test]
fn rows_of_the_tables_are_valid_runs_and_different_models() {
    let tables = of_paper(Path::new("experiments"), "s2cpnet").unwrap();
    assert_eq!(tables.iter().map(|found| found.table.table.as_str()).collect::<Vec<_>>(), NUMBERS);
    let mut of_ucm = BTreeSet::new();
    for found in &tables {
        for row in found.table.rows.iter().filter(|row| row.run.is_some()) {
            let run = row.run.as_ref().unwrap();
            let base = run.base.as_ref().unwrap_or(&found.table.base).with_extension("");
            let (_, model) = load(base.to_str().unwrap(), &run.overrides());
            if found.table.dataset == "ucm" {
                of_ucm.insert(model.variant(false));
            }
        }
    }
    // Baseline1, Baseline2 (Model1), Model2, 2-A, 2-B, Model3, 4-A, 4-B and the whole, of the paper and of the program.
    assert_eq!(of_ucm.len(), 18, "{of_ucm:?}");
}

#[test]
fn published_numbers_equal_the_papers_digit_for_digit() {
    let Some(tables) = shared("specs/tables") else { return };
    let mut compared = 0;
    for number in NUMBERS {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let theirs = read(&tables.join(format!("s2cpnet_{number}.yaml")));
        let ours = read(Path::new(&format!("experiments/s2cpnet/table_{number}.yaml")));
        let theirs: Vec<&str> = theirs.lines().filter(|line| line.contains("\"method\"")).collect();
        let lines: Vec<&str> = ours.lines().collect();
        let rows: Vec<(&str, &str)> = lines
            .windows(2)
            .filter_map(|pair| {
                Some((pair[0].strip_prefix("  - method: ")?, pair[1].trim().strip_prefix("published: {")?))
            })
            .collect();
        assert_eq!(rows.len(), theirs.len(), "table {number}");
        for (theirs, (method, numbers)) in theirs.iter().zip(rows) {
            assert!(theirs.contains(&format!("\"method\": \"{}\"", method.trim_matches('"'))), "{method}: {theirs}");
            for metric in ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE_L", "CIDEr", "Sm"] {
                let pair = (digits(numbers, &format!("{metric}: ")), digits(theirs, &format!("\"{metric}\": ")));
                assert_eq!(pair.0, pair.1, "table {number}, {method}, {metric}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 8 * (15 + 17 + 13 + 2 + 4 + 3 + 3));
}

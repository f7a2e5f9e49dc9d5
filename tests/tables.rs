//! The table files that are shipped: their numbers, their names, and the runs that they plan.

#![allow(clippy::unwrap_used)] // helpers of tests, too, may stop at what cannot be

mod common;
mod report_fakes;

use common::{digits, shared};
use rsic::experiments::catalog::{Found, find, of_paper, papers};
use rsic::experiments::encoders::Sources;
use rsic::experiments::plan::{Options, Plan};
use rsic::experiments::table::Row;
use std::collections::BTreeSet;
use std::path::Path;

const NUMBERS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
const METRICS: [&str; 7] = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE_L", "CIDEr"];

fn all() -> Vec<Found> {
    of_paper(Path::new("experiments"), "fe_lws").unwrap()
}

fn options(encoder: &[&str]) -> Options {
    let encoder: Vec<String> = encoder.iter().map(|text| (*text).to_owned()).collect();
    Options {
        sources: Sources::new(&[], &encoder).unwrap(),
        seeds: Vec::new(),
        overrides: Vec::new(),
        output: "runs".into(),
    }
}

fn asked(names: &[&str], datasets: &[&str]) -> Result<Vec<String>, String> {
    let strings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    find(Path::new("experiments"), &["fe_lws".into()], &strings(names), &strings(datasets))
        .map(|found| found.into_iter().map(|found| found.table.table).collect())
        .map_err(|error| format!("{error:#}"))
}

#[test]
fn every_table_of_the_paper_is_there_in_order_and_complete() {
    let tables = all();
    assert_eq!(tables.iter().map(|found| found.table.table.as_str()).collect::<Vec<_>>(), NUMBERS);
    for Found { table, .. } in &tables {
        assert_eq!(table.columns, METRICS);
        let whole = |row: &Row| row.published.len() == METRICS.len() || row.published.is_empty();
        assert!(table.rows.iter().all(whole), "{}", table.label());
    }
    let ours = tables.iter().flat_map(|found| &found.table.rows).filter(|row| row.published.is_empty());
    assert_eq!(ours.count(), 2, "rows of our own: other patience, and a rate of the stack's own");
    let rows: usize = tables.iter().map(|found| found.table.rows.len()).sum();
    let own = tables.iter().flat_map(|found| &found.table.rows).filter(|row| row.run.is_some()).count();
    assert_eq!((rows, own), (3 * (10 + 17 + 6 + 9) + 2, 3 * (10 + 17 + 6 + 1) + 2));
}

#[test]
fn published_numbers_equal_the_papers_digit_for_digit() {
    let Some(tables) = shared("specs/tables") else { return };
    let mut compared = 0;
    for number in NUMBERS {
        let theirs = std::fs::read_to_string(tables.join(format!("felws_{number}.yaml"))).unwrap();
        let ours = std::fs::read_to_string(format!("experiments/fe_lws/table_{number}.yaml")).unwrap();
        let theirs: Vec<&str> = theirs.lines().filter(|line| line.contains("\"method\"")).collect();
        let ours: Vec<&str> = ours.lines().skip_while(|line| *line != "rows:").collect();
        let methods: Vec<&str> = ours.iter().filter_map(|line| line.trim().strip_prefix("- method: ")).collect();
        let numbers: Vec<&str> = ours.iter().filter_map(|line| line.trim().strip_prefix("published: {")).collect();
        assert_eq!((methods.len(), numbers.len()), (theirs.len(), theirs.len()), "table {number}");
        for ((theirs, method), numbers) in theirs.iter().zip(methods).zip(numbers) {
            assert!(theirs.contains(&format!("\"method\": \"{}\"", method.trim_matches('"'))), "{theirs}");
            for metric in METRICS {
                assert_eq!(
                    digits(numbers, &format!("{metric}: ")),
                    digits(theirs, &format!("\"{metric}\": ")),
                    "table {number}, {method}, {metric}"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 126 * 7);
}

#[test]
fn table2_is_the_comparison_with_other_methods_of_each_dataset() {
    assert_eq!(asked(&["table2"], &["ucm"]).unwrap(), ["XI"]);
    assert_eq!(asked(&["table2"], &["UCM", "sydney"]).unwrap(), ["X", "XI"]);
    assert_eq!(asked(&["table2"], &[]).unwrap(), ["X", "XI", "XII"]);
}

#[test]
fn a_table_is_found_by_number_or_path_and_only_once() {
    assert_eq!(asked(&["V"], &[]).unwrap(), ["V"]);
    assert_eq!(asked(&["table_v", "V", "experiments/fe_lws/table_V.yaml"], &[]).unwrap(), ["V"]);
}

#[test]
fn names_that_mean_nothing_are_refused_with_what_there_is() {
    assert!(asked(&["XIII"], &[]).unwrap_err().contains("fe_lws has I, II, III, IV"));
    assert!(asked(&["XIII"], &[]).unwrap_err().contains("is a human study"));
    assert!(asked(&["V"], &["rsicd"]).unwrap_err().contains("it is on: ucm"));
    assert!(asked(&["no/such.yaml"], &[]).unwrap_err().contains("no/such.yaml"));
    let error = find(Path::new("experiments"), &["nobody".into()], &["I".into()], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("experiments/nobody"));
}

#[test]
fn the_same_experiment_in_several_tables_is_one_run() {
    let plan = Plan::new(all(), &options(&[]), &report_fakes::load).unwrap();
    assert_eq!(plan.runs.len(), 86);
    let run_of = |number: &str, method: &str| {
        let planned = plan.tables.iter().find(|planned| planned.table.table == number).unwrap();
        let row = planned.table.rows.iter().position(|row| row.method == method).unwrap();
        planned.rows[row].run.unwrap()
    };
    assert_eq!(run_of("II", "ConvNext-ResNet"), run_of("V", "DC=1 NS"));
    assert_eq!(run_of("II", "ConvNext-ResNet"), run_of("VIII", "FE-NS"));
    assert_eq!(run_of("II", "ConvNext"), run_of("VIII", "C-NS"));
    assert_eq!(run_of("V", "DC=3 LWS"), run_of("VIII", "FE-LWS"));
    assert_eq!(run_of("V", "DC=3 LWS"), run_of("XI", "FE-LWS"));
    assert_ne!(run_of("V", "DC=3 LWS"), run_of("X", "FE-LWS"));
    let folders: BTreeSet<_> = plan.runs.iter().map(|run| run.folder.clone()).collect();
    assert_eq!(folders.len(), 86);
}

#[test]
fn one_encoder_for_all_rows_leaves_one_run_for_each_decoder() {
    let plan = Plan::new(all(), &options(&["densenet169=random"]), &report_fakes::load).unwrap();
    assert_eq!(plan.runs.len(), 3 * 17 + 2);
    assert!(plan.runs.iter().all(|run| run.missing.is_empty()));
}

#[test]
fn a_run_has_the_same_folder_whichever_table_asks_for_it() {
    let of = |number: &str| {
        let tables = all().into_iter().filter(|found| found.table.table == number).collect();
        let plan = Plan::new(tables, &options(&[]), &report_fakes::load).unwrap();
        plan.runs.into_iter().map(|run| run.folder).collect::<BTreeSet<_>>()
    };
    assert!(of("XI").is_subset(&of("V")));
    assert!(of("XI").is_subset(&of("VIII")));
}

#[test]
fn seeds_decodings_and_names_do_not_tell_trainings_apart_but_settings_do() {
    let base = report_fakes::load(Path::new("ucm.yaml"), &[]).unwrap();
    let changed = |key: &str| report_fakes::load(Path::new("ucm.yaml"), &[key.to_owned()]).unwrap();
    for same in ["name=other", "train.seed=7", "decode={\"beam\": 3}"] {
        assert_eq!(base.identity().unwrap(), changed(same).identity().unwrap(), "{same}");
    }
    for other in ["train.epochs=3", "model.fe_lws.layers=2", "data.root=elsewhere"] {
        assert_ne!(base.identity().unwrap(), changed(other).identity().unwrap(), "{other}");
    }
}

#[test]
fn every_shipped_table_resolves_to_the_runs_that_the_papers_tables_stand_for() {
    let load = |path: &Path, overrides: &[String]| Ok(rsic::experiment::load(path, overrides)?.experiment);
    let experiments = Path::new("experiments");
    assert_eq!(papers(experiments).unwrap(), ["cssa", "fe_lws", "jtts", "s2cpnet"]);
    for (paper, runs) in [("cssa", 27), ("fe_lws", 84), ("jtts", 60), ("s2cpnet", 11)] {
        let mut tables = of_paper(experiments, paper).unwrap();
        let all = Plan::new(tables.clone(), &options(&[]), &load).unwrap().runs.len();
        // Figures print no numbers, and rows of our own (half a cosine, the published program's faults) have none
        // either.
        tables.retain(|found| !found.table.table.starts_with("fig"));
        for found in &mut tables {
            found.table.rows.retain(|row| !row.published.is_empty());
        }
        let of_tables = Plan::new(tables, &options(&[]), &load).unwrap().runs.len();
        println!("{paper}: {of_tables} runs, with figures {all}");
        assert_eq!(of_tables, runs, "{paper}");
    }
    assert!(!Plan::new(of_paper(experiments, "demo").unwrap(), &options(&[]), &load).unwrap().runs.is_empty());
}

//! CSSA's table files: their numbers, and the runs that they plan.
#![allow(clippy::unwrap_used)]

mod common;

use common::shared;
use rsic::experiments::catalog::{Found, find, of_paper};
use rsic::experiments::encoders::Sources;
use rsic::experiments::plan::{Options, Plan};
use std::path::Path;

fn all() -> Vec<Found> {
    of_paper(Path::new("experiments"), "cssa").unwrap()
}

fn plan(tables: Vec<Found>) -> Plan {
    let options = Options {
        sources: Sources::new(&[], &[]).unwrap(),
        seeds: Vec::new(),
        overrides: Vec::new(),
        output: "runs".into(),
    };
    Plan::new(tables, &options, &|path, set| Ok(rsic::experiment::load(path, set)?.experiment)).unwrap()
}

#[test]
fn published_numbers_equal_the_papers_digit_for_digit() {
    let Some(tables) = shared("specs/tables") else { return };
    let mut compared = 0;
    for Found { table, path } in all().iter().filter(|found| !found.table.table.starts_with("fig")) {
        let theirs = std::fs::read_to_string(tables.join(format!("cssa_{}.yaml", table.table))).unwrap();
        let theirs: Vec<serde_json::Value> = theirs
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- {"))
            .map(|line| serde_json::from_str(&format!("{{{line}")).unwrap())
            .collect();
        let dataset = table.dataset.clone();
        for row in table.rows.iter().filter(|row| !row.published.is_empty()) {
            let theirs = theirs
                .iter()
                .find(|their| {
                    let name = their.get("dataset").and_then(|d| d.as_str());
                    their["method"] == *row.method && name.is_none_or(|name| name.eq_ignore_ascii_case(&dataset))
                })
                .unwrap_or_else(|| panic!("{}: no row '{}'", path.display(), row.method));
            for (metric, value) in &row.published {
                let key = if table.table == "5" {
                    let name = if dataset == "sydney" { "Sydney".to_owned() } else { dataset.to_uppercase() };
                    format!("CIDEr_{name}")
                } else {
                    metric.clone()
                };
                assert_eq!(*value, theirs[&key].as_f64(), "{}, {}, {key}", path.display(), row.method);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * 14 * 8 + 12 * 8 + 18);
}

#[test]
fn equal_rows_of_different_tables_are_one_run() {
    let planned = plan(all());
    // Per dataset four of Table 4, five more decays and the half cosine, two more branches, and Fig. 9's six.
    assert_eq!(planned.runs.len(), 3 * (4 + 5 + 1 + 2 + 6));
    let plain = planned.runs.iter().filter(|run| run.experiment.first_stage.is_none()).count();
    assert_eq!(plain, 3 * (1 + 7));
    let folders: std::collections::BTreeSet<_> = planned.runs.iter().map(|run| &run.folder).collect();
    assert_eq!(folders.len(), planned.runs.len());
}

/// The captioning stage of each row is that of every other one.
#[test]
fn the_sensitivity_study_changes_the_contrastive_stage_alone() {
    let tables: Vec<Found> = all().into_iter().filter(|found| found.table.table == "fig9").collect();
    assert_eq!(tables.len(), 3);
    let planned = plan(tables);
    assert_eq!(planned.runs.len(), 3 * 7);
    let (first, others) = planned.runs.split_first().unwrap();
    for run in others {
        assert_eq!(run.experiment.train, first.experiment.train, "{}", run.id);
    }
    let batches: std::collections::BTreeSet<usize> =
        planned.runs.iter().filter_map(|run| Some(run.experiment.first_stage.as_ref()?.batch_size)).collect();
    assert_eq!(batches.into_iter().collect::<Vec<_>>(), [32, 64]);
}

#[test]
fn table2_is_the_comparison_with_other_methods_of_each_dataset() {
    let asked = |datasets: &[&str]| -> Vec<String> {
        let datasets: Vec<String> = datasets.iter().map(ToString::to_string).collect();
        let found = find(Path::new("experiments"), &["cssa".into()], &["table2".into()], &datasets).unwrap();
        found.into_iter().map(|found| found.table.dataset).collect()
    };
    assert_eq!(asked(&[]), ["sydney", "ucm", "rsicd"]);
    assert_eq!(asked(&["ucm"]), ["ucm"]);
}

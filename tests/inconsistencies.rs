//! What is not consistent in the published tables is said where they are printed.

#![allow(clippy::unwrap_used)]

use rsic::experiments::catalog::{Found, of_paper};
use rsic::experiments::table::Row;
use std::path::Path;

fn tables() -> Vec<Found> {
    let papers = ["cssa", "fe_lws", "jtts", "s2cpnet"];
    papers.iter().flat_map(|paper| of_paper(Path::new("experiments"), paper).unwrap()).collect()
}

fn published(row: &Row, metric: &str) -> Option<f64> {
    row.published.get(metric).copied().flatten()
}

/// `SVM-D BOW [20]` and `SVM-DBOW [6]` are one method: `svmdbow`.
fn plain(text: &str) -> String {
    let without_reference = text.split('[').next().unwrap_or_default();
    without_reference.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// Whether some note of the table names the method and holds all of `parts`.
fn says(found: &Found, method: &str, parts: &[&str]) -> bool {
    let has = |note: &String| {
        let words = note.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        words.contains(&plain(method)) && parts.iter().all(|part| note.contains(part))
    };
    found.table.notes.iter().any(has)
}

#[test]
fn an_sm_that_is_not_the_mean_of_its_cells_is_flagged() {
    let mut flagged = Vec::new();
    for found in tables() {
        for row in &found.table.rows {
            let cells: Option<Vec<f64>> =
                ["BLEU-4", "METEOR", "ROUGE_L", "CIDEr"].iter().map(|metric| published(row, metric)).collect();
            let (Some(cells), Some(sm)) = (cells, published(row, "Sm")) else { continue };
            if (cells.iter().sum::<f64>() / 4.0 - sm).abs() > 0.0006 {
                assert!(says(&found, &row.method, &["Sm"]), "{}: {} {sm} {cells:?}", found.path.display(), row.method);
                flagged.push(format!("{} {}", found.table.label(), row.method));
            }
        }
    }
    assert_eq!(flagged.len(), 7, "{flagged:?}");
}

#[test]
fn a_method_with_other_numbers_in_another_paper_is_flagged_in_both() {
    let tables = tables();
    let mut flagged = 0;
    for (index, one) in tables.iter().enumerate() {
        for other in tables.iter().skip(index + 1).filter(|other| other.table.paper != one.table.paper) {
            if one.table.dataset != other.table.dataset {
                continue;
            }
            let pairs = one.table.rows.iter().flat_map(|row| other.table.rows.iter().map(move |second| (row, second)));
            for (row, second) in pairs.filter(|(a, b)| plain(&a.method) == plain(&b.method) && a.run.is_none()) {
                let differ = one.table.columns.iter().any(|metric| {
                    let both = (published(row, metric), published(second, metric));
                    matches!(both, (Some(a), Some(b)) if (a - b).abs() > 0.0005)
                });
                if differ {
                    let place = |of: &Found| format!("Table {} of {}", of.table.table, of.table.paper);
                    let (one_place, other_place) = (place(one), place(other));
                    assert!(says(one, &row.method, &[&other_place]), "{}: {}", one.path.display(), row.method);
                    assert!(says(other, &second.method, &[&one_place]), "{}: {}", other.path.display(), second.method);
                    flagged += 1;
                }
            }
        }
    }
    assert_eq!(flagged, 10);
}

/// What no rule finds: rows of one paper against each other, and methods under different names.
#[test]
fn the_other_known_inconsistencies_are_flagged() {
    let tables = tables();
    for (paper, table, method, parts) in [
        ("s2cpnet", "IV", "Baseline2", &["Model1 of Table V", "METEOR and CIDEr"][..]),
        ("s2cpnet", "V", "Model1", &["Baseline2 of Table IV", "METEOR and CIDEr"]),
        ("s2cpnet", "VI", "Model2-B", &["Model3", "METEOR, ROUGE_L and CIDEr"]),
        ("fe_lws", "X", "CSMLF", &["0.9378 and 0.7555", "jtts"]),
        ("fe_lws", "XI", "CSMLF", &["Table II of jtts", "other numbers altogether"]),
        ("jtts", "II", "CSMLF", &["Table XI of fe_lws", "other numbers altogether"]),
        ("fe_lws", "XII", "CSMLF", &["0.3959", "Table IV of jtts"]),
        ("jtts", "IV", "CSMLF", &["0.3859", "Table XII of fe_lws"]),
        ("cssa", "1", "SAT", &["Soft Attention", "another implementation"]),
        ("cssa", "2", "SAT", &["Soft Attention", "another implementation"]),
        ("cssa", "3", "SAT", &["Soft Attention", "another implementation"]),
        ("jtts", "II", "Soft Attention", &["SAT [48] of cssa", "another implementation"]),
        ("jtts", "III", "Soft Attention", &["SAT [48] of cssa", "another implementation"]),
        ("jtts", "IV", "Soft Attention", &["SAT [48] of cssa", "another implementation"]),
    ] {
        let found = tables.iter().find(|found| found.table.paper == paper && found.table.table == table).unwrap();
        assert!(says(found, method, parts), "{}: {method}, {parts:?}", found.path.display());
    }
}

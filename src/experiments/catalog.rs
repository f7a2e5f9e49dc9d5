//! Finds table files by name: `table2`, `V`, or a path.

use super::table::Table;
use crate::util::walk;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A table and the file it came from, against whose folder its base experiment is resolved.
#[derive(Debug, Clone)]
pub struct Found {
    pub path: PathBuf,
    pub table: Table,
}

/// Tables that are no paper's: `--paper` must name them.
const DEMO: &str = "demo";
/// The name that means every table.
const ALL: &str = "all";

/// The tables that `names` mean, in the order asked, each once.
///
/// A name is the path of a table file, `all`, or a table's number or alias in `<experiments>/<paper>/table*.yaml` of
/// one of the `papers` (every paper there is where none is given). It may mean several tables: one per paper and
/// dataset; `datasets`, unless empty, chooses among them.
pub fn find(experiments: &Path, papers: &[String], names: &[String], datasets: &[String]) -> Result<Vec<Found>> {
    let mut all: Vec<(String, Vec<Found>)> = Vec::new();
    let mut found: Vec<Found> = Vec::new();
    for name in names {
        let is_file = name.ends_with(".yaml") || name.ends_with(".yml") || name.contains('/');
        let tables = if is_file {
            let path = PathBuf::from(name);
            vec![Found { table: Table::load(&path)?, path }]
        } else {
            if all.is_empty() {
                let papers = if papers.is_empty() { self::papers(experiments)? } else { papers.to_vec() };
                for paper in papers {
                    all.push((paper.clone(), of_paper(experiments, &paper)?));
                }
            }
            by_name(&all, name)?
        };
        let available: Vec<String> = tables.iter().map(|found| found.table.dataset.clone()).collect();
        let wanted = |dataset: &String| datasets.is_empty() || datasets.iter().any(|d| d.eq_ignore_ascii_case(dataset));
        if !available.iter().any(wanted) {
            let mut available = available;
            available.sort();
            available.dedup();
            bail!("table '{name}' is not on {}; it is on: {}", datasets.join(" or "), available.join(", "));
        }
        for candidate in tables.into_iter().filter(|candidate| wanted(&candidate.table.dataset)) {
            if !found.iter().any(|earlier| earlier.path == candidate.path) {
                found.push(candidate);
            }
        }
    }
    Ok(found)
}

/// The folders below `experiments` that hold tables of a paper, sorted.
pub fn papers(experiments: &Path) -> Result<Vec<String>> {
    let context = || {
        format!(
            "table folder '{}' does not exist (run from the folder that contains experiments/, or give the path of a \
            table file)",
            experiments.display()
        )
    };
    let mut papers = Vec::new();
    for path in walk::entries(experiments).with_context(context)? {
        let holds_tables = || walk::entries(&path).is_ok_and(|files| files.iter().any(|file| is_table(file)));
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && name != DEMO
            && holds_tables()
        {
            papers.push(name.to_owned());
        }
    }
    Ok(papers)
}

fn is_table(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with("table") && name.ends_with(".yaml")
    })
}

fn by_name(all: &[(String, Vec<Found>)], name: &str) -> Result<Vec<Found>> {
    let wanted = name.to_lowercase();
    let wanted = wanted.trim_start_matches("table").trim_start_matches(['_', '-', ' ']);
    let means = |found: &&Found| {
        name == ALL
            || found.table.table.to_lowercase() == wanted
            || found.table.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    let tables = || all.iter().flat_map(|(_, tables)| tables);
    let matching: Vec<Found> = tables().filter(means).cloned().collect();
    if matching.is_empty() {
        let names = |found: &Found| [vec![found.table.table.clone()], found.table.aliases.clone()].concat();
        let valid = all.iter().map(|(paper, tables)| {
            let mut names: Vec<String> = tables.iter().flat_map(names).collect();
            let mut seen = std::collections::BTreeSet::new();
            names.retain(|name| seen.insert(name.clone()));
            format!("{paper} has {}", names.join(", "))
        });
        if wanted == "xiii" && all.iter().any(|(paper, _)| paper == "fe_lws") {
            bail!(
                "table XIII of fe_lws is a human study (people judged captions related, partially related or \
                 unrelated), which no program regenerates; {}",
                valid.collect::<Vec<_>>().join("; ")
            );
        }
        bail!("there is no table '{name}'; {}", valid.collect::<Vec<_>>().join("; "));
    }
    Ok(matching)
}

/// Every table of a paper, in the order of their numbers.
pub fn of_paper(experiments: &Path, paper: &str) -> Result<Vec<Found>> {
    let folder = experiments.join(paper);
    let entries = walk::entries(&folder).with_context(|| {
        format!(
            "table folder '{}' of paper '{paper}' does not exist (run from the folder that contains experiments/, or \
            give the path of a table file)",
            folder.display()
        )
    })?;
    let mut tables = Vec::new();
    for path in entries {
        if is_table(&path) {
            tables.push(Found { table: Table::load(&path)?, path });
        }
    }
    tables.sort_by_key(|found| (number(&found.table.table), found.table.table.clone(), found.path.clone()));
    Ok(tables)
}

/// The value of a Roman or Arabic numeral; names that are neither come last.
fn number(text: &str) -> u32 {
    if let Ok(number) = text.parse() {
        return number;
    }
    let digits: Option<Vec<u32>> = text
        .chars()
        .map(|c| match c {
            'I' => Some(1),
            'V' => Some(5),
            'X' => Some(10),
            'L' => Some(50),
            _ => None,
        })
        .collect();
    let Some(digits) = digits else { return u32::MAX };
    let mut total = 0;
    let mut next_larger = 0;
    for digit in digits.into_iter().rev() {
        if digit < next_larger {
            total -= digit; // IV, IX, XL: only ever below an added larger one
        } else {
            total += digit;
            next_larger = digit;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals_sort_by_value() {
        let values: Vec<u32> = ["I", "IV", "V", "IX", "XII", "XIV", "7"].iter().map(|text| number(text)).collect();
        assert_eq!(values, [1, 4, 5, 9, 12, 14, 7]);
        assert_eq!(number("demo"), u32::MAX);
    }
}

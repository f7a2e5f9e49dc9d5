//! Finds table files by name: `table2`, `V`, or a path.

use super::table::Table;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A table and the file it came from, against whose folder its base experiment is resolved.
#[derive(Debug, Clone)]
pub struct Found {
    pub path: PathBuf,
    pub table: Table,
}

/// The tables that `names` mean, in the order asked, each once.
///
/// A name is the path of a table file, or a table's number or alias in `<experiments>/<paper>/table*.yaml`. A name may
/// mean several tables (one per dataset); `datasets`, unless empty, chooses among them.
pub fn find(experiments: &Path, paper: &str, names: &[String], datasets: &[String]) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for name in names {
        let is_file = name.ends_with(".yaml") || name.ends_with(".yml") || name.contains('/');
        let tables = if is_file {
            let path = PathBuf::from(name);
            vec![Found { table: Table::load(&path)?, path }]
        } else {
            by_name(experiments, paper, name)?
        };
        let available: Vec<String> = tables.iter().map(|found| found.table.dataset.clone()).collect();
        let wanted = |dataset: &String| datasets.is_empty() || datasets.iter().any(|d| d.eq_ignore_ascii_case(dataset));
        let before = found.len();
        for candidate in tables.into_iter().filter(|candidate| wanted(&candidate.table.dataset)) {
            if !found.iter().any(|earlier| earlier.path == candidate.path) {
                found.push(candidate);
            }
        }
        if found.len() == before && !available.iter().any(wanted) {
            bail!("table '{name}' is not on {}; it is on: {}", datasets.join(" or "), available.join(", "));
        }
    }
    Ok(found)
}

fn by_name(experiments: &Path, paper: &str, name: &str) -> Result<Vec<Found>> {
    let all = of_paper(experiments, paper)?;
    let wanted = name.to_lowercase();
    let wanted = wanted.trim_start_matches("table").trim_start_matches(['_', '-', ' ']);
    let means = |found: &Found| {
        found.table.table.to_lowercase() == wanted
            || found.table.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    let matching: Vec<Found> = all.iter().filter(|found| means(found)).cloned().collect();
    if matching.is_empty() {
        let mut valid: Vec<&str> = all
            .iter()
            .flat_map(|found| {
                std::iter::once(found.table.table.as_str()).chain(found.table.aliases.iter().map(String::as_str))
            })
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        valid.retain(|name| seen.insert(*name));
        bail!("paper '{paper}' has no table '{name}'; it has: {}", valid.join(", "));
    }
    Ok(matching)
}

/// Every table of a paper, in the order of their numbers.
pub fn of_paper(experiments: &Path, paper: &str) -> Result<Vec<Found>> {
    let folder = experiments.join(paper);
    let entries = std::fs::read_dir(&folder).with_context(|| {
        format!(
            "there is no folder of tables '{}' for paper '{paper}' (run from the folder that holds experiments/, or \
             give the path of a table file)",
            folder.display()
        )
    })?;
    let mut tables = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read '{}'", folder.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("table") && name.ends_with(".yaml") {
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

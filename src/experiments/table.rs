//! A published table: its numbers as printed, and for each row of the paper's own models the settings that regenerate
//! it.

use crate::config::{self, Checks, Invalid, Settings, value_text};
use crate::util::suggest;
use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One table file, `experiments/<paper>/table*.yaml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The paper's short name, which is also its folder under `experiments/`: `fe_lws`.
    pub paper: String,
    /// Number as printed: `XI`.
    pub table: String,
    /// Further names of the table; `table2` is the comparison with other methods in every paper.
    #[serde(default)]
    pub aliases: Vec<String>,
    pub title: String,
    /// `ucm`, `sydney`, `rsicd`, ...
    pub dataset: String,
    /// Experiment file that the rows' settings change; relative to the table file.
    pub base: PathBuf,
    /// Metrics, in the order in which they are printed.
    pub columns: Vec<String>,
    /// How each trained run is decoded; one sub-row each.
    #[serde(default = "Table::default_decodings")]
    pub decodings: Vec<DecodingName>,
    /// Seeds of each run.
    #[serde(default = "Table::default_seeds")]
    pub seeds: Vec<u64>,
    /// What a reader of the table must know; printed below it.
    #[serde(default)]
    pub notes: Vec<String>,
    pub rows: Vec<Row>,
}

/// One printed row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// First column, as printed.
    pub method: String,
    /// Printed numbers by column; `null` or absent where the paper gives none.
    #[serde(default)]
    pub published: BTreeMap<String, Option<f64>>,
    /// How to regenerate the row; absent for other papers' methods.
    #[serde(default)]
    pub run: Option<RunSettings>,
}

/// What a row changes in the base experiment.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Another base than the table's; relative to the table file.
    #[serde(default)]
    pub base: Option<PathBuf>,
    /// Encoders by name, fused in this order; weights come from the weight folder. Default: the base experiment's.
    #[serde(default)]
    pub encoders: Vec<String>,
    /// Dotted settings: `{model.fe_lws.stack: lws}`.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
}

/// A way to decode; widths and the like come from the experiment's `decode` settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodingName {
    Greedy,
    Beam,
    Comparison,
}

impl Table {
    fn default_decodings() -> Vec<DecodingName> {
        vec![DecodingName::Greedy, DecodingName::Beam]
    }

    fn default_seeds() -> Vec<u64> {
        vec![1]
    }

    /// Reads and checks a table file; every fault is named with line and column.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(config::load(path, &[])?.0)
    }

    /// Keeps the rows whose method contains one of `wanted`, whatever the case; all where `wanted` is empty.
    pub fn keep_rows(&mut self, wanted: &[String]) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let has = |row: &Row| wanted.iter().any(|part| row.method.to_lowercase().contains(&part.to_lowercase()));
        if !self.rows.iter().any(has) {
            let rows: Vec<&str> = self.rows.iter().map(|row| row.method.as_str()).collect();
            bail!("no row of {} contains '{}'; rows: {}", self.label(), wanted.join("' or '"), rows.join(", "));
        }
        self.rows.retain(has);
        Ok(())
    }

    /// `fe_lws table XI (ucm)`: how messages name it.
    pub fn label(&self) -> String {
        format!("{} table {} ({})", self.paper, self.table, self.dataset)
    }

    /// Stem of the files that are written for it.
    pub fn file_stem(&self) -> String {
        format!("{}_{}_{}", self.paper, self.table, self.dataset)
    }
}

impl Settings for Table {
    const NAME: &'static str = "table";
    /// `base` is the experiment that the rows change.
    const BUILDS_ON_BASES: bool = false;

    fn invalid(&self) -> Vec<Invalid> {
        let mut checks = Checks::default();
        for (name, value) in [("paper", &self.paper), ("table", &self.table), ("dataset", &self.dataset)] {
            let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            checks
                .require(plain, name, || format!("names files: use letters, digits, '_' and '-' (found \"{value}\")"));
        }
        for (name, empty) in [
            ("columns", self.columns.is_empty()),
            ("decodings", self.decodings.is_empty()),
            ("seeds", self.seeds.is_empty()),
            ("rows", self.rows.is_empty()),
        ] {
            checks.require(!empty, name, || "empty (expected at least one entry)".into());
        }
        for (index, row) in self.rows.iter().enumerate() {
            let repeated = self.rows.iter().take(index).any(|earlier| earlier.method == row.method);
            checks.require(!repeated, &format!("rows.{index}.method"), || format!("duplicate row '{}'", row.method));
            for column in row.published.keys() {
                checks.require(self.columns.contains(column), &format!("rows.{index}.published.{column}"), || {
                    let hint = suggest::hint(column, self.columns.iter().map(String::as_str));
                    format!("'{column}' is no column of the table{hint}")
                });
            }
        }
        checks.into_faults()
    }
}

impl RunSettings {
    /// The settings as `key=value` overrides.
    pub fn overrides(&self) -> Vec<String> {
        self.set.iter().map(|(key, value)| format!("{key}={}", value_text(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "paper: p\ntable: I\ntitle: T\ndataset: d\nbase: b.yaml\ncolumns: [CIDEr]\nrows:\n";

    fn load(rows: &str) -> Result<Table> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{TEXT}{rows}")).unwrap();
        Table::load(file.path())
    }

    #[test]
    fn a_number_without_a_column_and_a_repeated_row_are_both_named() {
        let rows = "  - {method: A, published: {CIDER: 1.0}}\n  - {method: A}\n";
        let error = format!("{:#}", load(rows).unwrap_err());
        assert!(error.contains("did you mean 'CIDEr'?"), "{error}");
        assert!(error.contains("duplicate row 'A'"), "{error}");
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let error = format!("{:#}", load("  - {method: A, publishd: {}}\n").unwrap_err());
        assert!(error.contains("publishd") && error.contains(":8:17: "), "{error}");
    }

    #[test]
    fn three_faults_have_three_places() {
        let rows = "  - {method: A, published: {CIDER: 1.0}}\n  - {method: B, run: {encoder: [x]}}\n  - {method: A}\n";
        let error = format!("{:#}", load(rows).unwrap_err());
        assert!(error.starts_with("3 faults in the table\n"), "{error}");
        for part in [":8:36: rows.0.published.CIDER: ", ":9:23: rows.1.run.encoder: ", ":10:14: rows.2.method: "] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn the_base_of_a_table_is_the_experiment_that_its_rows_change() {
        assert_eq!(load("  - {method: A}\n").unwrap().base, PathBuf::from("b.yaml"));
    }

    #[test]
    fn settings_become_overrides_in_order_of_their_keys() {
        let table = load("  - {method: A, run: {set: {b: [1, 2], a.c: lws, a.d: 3}}}\n").unwrap();
        let run = table.rows[0].run.clone().unwrap();
        assert_eq!(run.overrides(), ["a.c=lws", "a.d=3", "b=[1,2]"]);
    }

    #[test]
    fn rows_are_kept_by_part_of_their_name() {
        let mut table = load("  - {method: DC=1 NS}\n  - {method: DC=3 LWS}\n").unwrap();
        assert!(table.clone().keep_rows(&["XX".into()]).is_err());
        table.keep_rows(&["lws".into()]).unwrap();
        assert_eq!(table.rows.len(), 1);
    }
}

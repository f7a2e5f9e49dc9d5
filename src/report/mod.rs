//! Published tables, curves and galleries as text, Markdown, CSV, LaTeX and HTML. Knows only scores and captions.

pub mod csv;
pub mod format;
pub mod grid;
pub mod html;
pub mod latex;
pub mod markdown;
pub mod sweep;
pub mod text;
pub mod wording;

use crate::experiments::Comparison;
use crate::util::fs::write_atomic;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Writes `<stem>.{txt,md,csv,tex}` and `<stem>_runs.csv` into `folder` and gives their paths.
pub fn write_tables(folder: &Path, stem: &str, comparison: &Comparison) -> Result<Vec<PathBuf>> {
    let files = [
        (format!("{stem}.txt"), text::table(comparison)),
        (format!("{stem}.md"), markdown::table(comparison)),
        (format!("{stem}.csv"), csv::cells(comparison)?),
        (format!("{stem}_runs.csv"), csv::runs(comparison)?),
        (format!("{stem}.tex"), latex::table(comparison)),
    ];
    let mut paths = Vec::new();
    for (name, content) in files {
        let path = folder.join(name);
        write_atomic(&path, content.as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}

//! `rsic report`: one page about finished runs.

use super::reproduce::details;
use super::{ExitStatus, this_command};
use crate::cli::ReportArgs;
use crate::experiment;
use crate::experiments::Comparison;
use crate::experiments::reported::{ReportedRun, RunGroup, find_runs, grouped};
use crate::report::html::{self, Curves, Page, Shown};
use crate::report::text;
use crate::util::fs::write_atomic;
use anyhow::Result;
use std::io::Write;
use std::path::PathBuf;

pub(super) fn run(args: &ReportArgs) -> Result<ExitStatus> {
    let load = |path: &std::path::Path, overrides: &[String]| Ok(experiment::load(path, overrides)?.experiment);
    let folders = find_runs(&args.runs)?;
    let runs: Vec<ReportedRun> =
        folders.iter().map(|folder| ReportedRun::load(folder, &load)).collect::<Result<_>>()?;
    let groups = grouped(runs);
    let comparison = Comparison::of_runs(&groups, &args.experiments, &load)?;
    let command = this_command();
    let page = page(&groups, &comparison, &command);
    let path = args.output.clone().unwrap_or_else(|| match folders.as_slice() {
        [folder] => folder.join("report.html"),
        _ => PathBuf::from("report.html"),
    });
    let content = html::page(&page);
    write_atomic(&path, content.as_bytes())?;
    let mut out = std::io::stdout().lock();
    write!(out, "{}", text::table(&comparison))?;
    writeln!(out, "Page: {} ({:.1} MB)", path.display(), content.len() as f64 / 1e6)?;
    Ok(ExitStatus::Success)
}

/// Curves of all seeds; captions of the first seed of each experiment, by every decoding, the chosen one first.
pub(super) fn page<'a>(groups: &'a [RunGroup], comparison: &'a Comparison, command: &'a str) -> Page<'a> {
    let mut page =
        Page { comparison, command, differences: None, curves: Vec::new(), shown: Vec::new(), details: Vec::new() };
    for group in groups {
        let Some(first) = group.runs.first() else { continue };
        let own = first.result.decoding(&first.experiment.decode);
        let others = first.result.decodings.iter().filter(|decoding| Some(*decoding) != own);
        for decoding in own.into_iter().chain(others) {
            page.shown.push(Shown { methods: group.name.clone(), result: &first.result, decoding });
        }
        page.curves
            .push(Curves { methods: group.name.clone(), results: group.runs.iter().map(|run| &run.result).collect() });
        page.details.extend(group.runs.iter().filter_map(|run| details(&group.name, run.result.seed, &run.folder)));
    }
    page
}

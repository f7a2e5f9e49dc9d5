//! `rsic metrics-data`: METEOR's resources, compiled into the user's cache.

use super::ExitStatus;
use crate::cli::MetricsDataArgs;
use crate::eval::meteor::{Resources, compile};
use anyhow::Result;
use std::io::Write;

pub(super) fn run(args: &MetricsDataArgs) -> Result<ExitStatus> {
    let output = match &args.output {
        Some(output) => output.clone(),
        None => Resources::default_path()?,
    };
    let compiled = compile(&args.wheel, &output)?;
    Resources::open(&output)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: {} WordNet lemmas, {} paraphrases, {:.0} MB",
        output.display(),
        compiled.lemmas,
        compiled.paraphrases,
        compiled.bytes as f64 / 1e6
    )?;
    Ok(ExitStatus::Success)
}

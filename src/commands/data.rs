//! `rsic data`.

use super::ExitStatus;
use crate::cli::{DataCommand, ScenesArgs};
use crate::data::scenes::{self, CAPTIONS};
use anyhow::{Result, bail};
use std::io::{Write, stdout};

pub fn run(command: &DataCommand) -> Result<ExitStatus> {
    match command {
        DataCommand::Scenes(args) => render_scenes(args),
        _ => bail!("not yet"),
    }
}

fn render_scenes(args: &ScenesArgs) -> Result<ExitStatus> {
    let options = scenes::Options { count: args.count, size: args.size, seed: args.seed };
    let summary = scenes::generate(&options, &args.output)?;
    let of = |split: &str| summary.splits.get(split).copied().unwrap_or(0);
    writeln!(
        stdout().lock(),
        "{}: {} images of {} classes ({} train, {} val, {} test), {} captions{}",
        args.output.display(),
        args.count,
        summary.classes,
        of("train"),
        of("val"),
        of("test"),
        args.count * CAPTIONS,
        if summary.written { "" } else { "; complete already" },
    )?;
    Ok(ExitStatus::Success)
}

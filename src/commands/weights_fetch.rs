//! `rsic weights fetch`.

use super::ExitStatus;
use crate::cli::FetchArgs;
use crate::runtime::Interrupt;
use crate::util::logging;
use crate::weights::{self, FetchOptions, Fetched, Published};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::time::Duration;

pub(super) fn run(args: &FetchArgs) -> Result<ExitStatus> {
    let manifest = weights::manifest()?;
    if args.names.is_empty() && !args.all {
        list(&manifest)?;
        return Ok(ExitStatus::Success);
    }
    if args.timeout == 0 {
        bail!("--timeout is 0; it must be at least 1 second");
    }
    let mut chosen: Vec<&Published> = Vec::new();
    if args.all {
        let mut seen = BTreeSet::new();
        chosen.extend(manifest.iter().filter(|published| seen.insert(&published.name)));
    }
    for name in &args.names {
        chosen.push(weights::find(&manifest, name)?); // before anything is downloaded
    }
    let options = FetchOptions { mirror: args.mirror.clone(), patience: Duration::from_secs(args.timeout) };
    let interrupt = Interrupt::install()?;
    let mut failed = 0;
    for published in &chosen {
        match one(published, args, &options, &interrupt) {
            // With more to do, one file's failure is told and the others follow.
            Err(error) if chosen.len() > 1 && !interrupt.requested() => {
                failed += 1;
                tracing::error!("{error:#}");
            }
            result => result?,
        }
    }
    if failed > 0 {
        writeln!(stdout().lock(), "{} files, {failed} failed", chosen.len())?;
    }
    Ok(if failed == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

fn one(published: &Published, args: &FetchArgs, options: &FetchOptions, interrupt: &Interrupt) -> Result<()> {
    let path = args.output.join(published.file_name());
    let mut bar: Option<logging::Bar> = None;
    let mut progress = |done: u64, total: Option<u64>| {
        interrupt.check("downloaded data are kept; rerun the same command to continue")?;
        let (done, total) = (done >> 20, total.map_or(u64::from(published.mib), |total| total >> 20));
        let bar =
            bar.get_or_insert_with(|| logging::progress(total as usize, &format!("{} MiB", published.file_name())));
        bar.set(done as usize);
        Ok(())
    };
    let fetched = weights::fetch(published, &args.output, options, &mut progress)?;
    let state = match fetched {
        Fetched::Present => "there already".to_owned(),
        Fetched::Downloaded { resumed_from: 0 } => "downloaded".to_owned(),
        Fetched::Downloaded { resumed_from } => format!("downloaded, resumed at byte {resumed_from}"),
    };
    let checked = match published.checksum().len() {
        64 => "SHA-256 right".to_owned(),
        digits => format!("first {digits} digits of SHA-256 verified"),
    };
    writeln!(stdout().lock(), "{}: {} {}, {state}, {checked}", path.display(), published.name, published.version)?;
    Ok(())
}

fn list(manifest: &[Published]) -> Result<()> {
    let mut out = stdout().lock();
    for published in manifest {
        let Published { name, version, mib, .. } = published;
        writeln!(out, "{name:18} {version:9} {mib:4} MiB  {}", published.file_name())?;
    }
    Ok(())
}

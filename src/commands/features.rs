//! `rsic features`.

use super::ExitStatus;
use super::progress::FeatureBar;
use crate::cli::{FeaturesArgs, GlobalArgs};
use crate::data::Dataset;
use crate::data::MissingPolicy;
use crate::experiment;
use crate::experiments::encoders::located;
use crate::features::FeatureProgress;
use crate::runtime::Interrupt;
use crate::session::look_at;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

pub(super) fn run(global: &GlobalArgs, args: &FeaturesArgs) -> Result<ExitStatus> {
    let experiment = located(experiment::load(&args.config, &args.reading.settings(&args.overrides))?.experiment)?;
    let kind = experiment.model.features();
    let dataset = Dataset::load(&experiment.data)?;
    crate::runtime::set_threads(global.threads)?;
    let device = crate::runtime::device(&global.device)?;

    let mut clocks: BTreeMap<String, (Instant, Duration)> = BTreeMap::new();
    let interrupt = Interrupt::install()?;
    let mut shown = FeatureBar::new(&interrupt);
    let mut progress = |progress: FeatureProgress| {
        let (start, elapsed) = clocks.entry(progress.encoder.to_owned()).or_insert((Instant::now(), Duration::ZERO));
        *elapsed = start.elapsed();
        shown.update(progress)
    };
    let encoders = &experiment.encoders;
    let set = look_at(&experiment, &dataset, device, &mut progress)?;
    drop(shown);

    let mut out = stdout().lock();
    for (index, encoder) in encoders.iter().cycle().take(set.encoders()).enumerate() {
        let masks = if index < encoders.len() { "" } else { " of masks" };
        let counts = set.counts(index);
        let shape: Vec<String> = set.shape(index).iter().map(ToString::to_string).collect();
        write!(
            out,
            "{} {}{masks} {}: {} images cached, {} new, {} unreadable",
            encoder.name,
            kind.name(),
            shape.join("x"),
            counts.cached,
            counts.new,
            counts.failed
        )?;
        match clocks.get(&encoder.name) {
            Some((_, elapsed)) if counts.new > 0 => {
                writeln!(out, "; {:.1} images/s", counts.new as f64 / elapsed.as_secs_f64().max(1e-9))?;
            }
            _ => writeln!(out)?,
        }
    }
    for why in set.failures().values() {
        tracing::warn!("{why}");
    }
    match (set.failures().values().next(), experiment.data.missing) {
        (Some(why), MissingPolicy::Fail) => {
            bail!("{} images have no features; first: {why}", set.failures().len())
        }
        _ => Ok(ExitStatus::Success),
    }
}

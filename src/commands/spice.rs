//! `rsic spice`: trains the caption parser behind SPICE, and measures how well it agrees with the reference's.

use super::ExitStatus;
use crate::cli::{GlobalArgs, SpiceCommand, SpiceEvalArgs, SpiceTrainArgs};
use crate::eval::meteor::Resources;
use crate::eval::spice::agreement::{Analysis, Correlation, Given, is_held_out};
use crate::eval::spice::learn::{Recipe, train};
use crate::eval::spice::model::Analyser;
use crate::eval::spice::parses::{self, Parsed};
use crate::eval::spice::terms::Terms;
use crate::util::fs::write_atomic;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub(super) fn run(command: &SpiceCommand, global: &GlobalArgs) -> Result<ExitStatus> {
    let go = || match command {
        SpiceCommand::Train(args) => train_model(args),
        SpiceCommand::Eval(args) => eval(args),
    };
    match global.threads {
        None => go(),
        Some(0) => bail!("--threads is 0; it must be at least 1"),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .context("cannot start the number of threads given by --threads")?
            .install(go),
    }
}

fn train_model(args: &SpiceTrainArgs) -> Result<ExitStatus> {
    let mut used: Vec<Parsed> = Vec::new();
    let mut held_out = 0;
    for path in &args.parses {
        for parsed in parses::read(path)? {
            if !args.all && is_held_out(&parsed.caption) {
                held_out += 1;
            } else {
                used.push(parsed);
            }
        }
    }
    let mut recipe = Recipe::default();
    recipe.epochs = args.epochs.map_or(recipe.epochs, usize::from);
    let started = Instant::now();
    let on_epoch = |epoch, wrong: f64| {
        tracing::info!("epoch {epoch} of {}: {:.2} % parsed differently", recipe.epochs, wrong * 100.0);
    };
    let bytes = train(&used, &recipe, on_epoch)?.to_bytes();
    write_atomic(&args.output, &bytes)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} training captions, {held_out} held out, {:.0} s", used.len(), started.elapsed().as_secs_f64())?;
    writeln!(out, "{}: {} bytes", args.output.display(), bytes.len())?;
    Ok(ExitStatus::Success)
}

fn load(path: &Path) -> Result<Analyser> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read '{}'", path.display()))?;
    Analyser::from_bytes(&bytes)
        .with_context(|| format!("'{}' is not a SPICE model of this version; train it again", path.display()))
}

fn eval(args: &SpiceEvalArgs) -> Result<ExitStatus> {
    let given = args.model.as_deref().map(load).transpose()?;
    let analyser = match &given {
        Some(analyser) => analyser,
        None => Analyser::built_in()?,
    };
    let mut parsed = parses::read(&args.parses)?;
    if args.held_out {
        parsed.retain(|parsed| is_held_out(&parsed.caption));
    }
    if parsed.is_empty() {
        bail!("'{}' has no captions to compare", args.parses.display());
    }
    let mut out = std::io::stdout().lock();
    print_analysis(&mut out, &Analysis::new(analyser, &parsed))?;
    let resources = Resources::open_default()?.map(Arc::new);
    if resources.is_none() {
        tracing::info!("SPICE runs without synonyms, so scores differ from the reference's; run 'make metrics-data'");
    }
    let terms = Terms::new(resources);
    match &args.scores {
        Some(path) => {
            let correlation = Correlation::of_groups(analyser, &parses::read_scores(path)?, &terms);
            print_correlation(&mut out, "scores against the reference's", &correlation)?;
        }
        None => {
            let correlation = Correlation::of_neighbours(analyser, &parsed, &terms);
            print_correlation(&mut out, "scores against the next five captions", &correlation)?;
        }
    }
    speed(&mut out, analyser, &parsed)?;
    Ok(ExitStatus::Success)
}

fn print_analysis(out: &mut impl Write, analysis: &Analysis) -> Result<()> {
    let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
    let Analysis { captions, words, tuples, kinds, .. } = *analysis;
    writeln!(out, "{captions} captions, {words} words")?;
    writeln!(out, "tags              {:.4}", share(analysis.tags, words))?;
    writeln!(out, "lemmas            {:.4}", share(analysis.lemmas, words))?;
    writeln!(out, "attachment        {:.4}", share(analysis.attached, words))?;
    writeln!(out, "attachment+label  {:.4}", share(analysis.labelled, words))?;
    writeln!(out, "tuple precision   {:.4}", tuples.precision())?;
    writeln!(out, "tuple recall      {:.4}", tuples.recall())?;
    writeln!(out, "tuple F1          {:.4}", tuples.f1())?;
    for (name, kind) in ["objects", "attributes", "relations"].iter().zip(kinds) {
        writeln!(out, "  of {name:<15}{:.4}", kind.f1())?;
    }
    for ((name, _), overlap) in Given::ALL.iter().zip(analysis.given).skip(1) {
        writeln!(out, "  given {name:<18}{:.4}", overlap.f1())?;
    }
    writeln!(out, "all tuples equal  {:.4}", share(analysis.exact, captions))?;
    Ok(())
}

fn print_correlation(out: &mut impl Write, title: &str, correlation: &Correlation) -> Result<()> {
    let Correlation { captions, pearson, spearman, native, reference } = correlation;
    writeln!(out, "{title}, {captions} captions:")?;
    writeln!(out, "Pearson           {pearson:.4}")?;
    writeln!(out, "Spearman          {spearman:.4}")?;
    writeln!(out, "corpus            {native:.4} native, {reference:.4} reference, {:+.4}", native - reference)?;
    Ok(())
}

/// Captions to tuples: the median of five passes, on one thread and on all.
fn speed(out: &mut impl Write, analyser: &Analyser, parsed: &[Parsed]) -> Result<()> {
    let median = |pass: &dyn Fn() -> usize| {
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let started = Instant::now();
                std::hint::black_box(pass());
                started.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times.get(2).copied().unwrap_or(f64::NAN) * 1e6 / parsed.len() as f64
    };
    let one = median(&|| parsed.iter().map(|parsed| analyser.tuples(&parsed.caption).len()).sum());
    let captions: Vec<&str> = parsed.iter().map(|parsed| parsed.caption.as_str()).collect();
    let all = median(&|| analyser.all_tuples(&captions).len());
    let threads = rayon::current_num_threads();
    writeln!(out, "speed             {one:.1} us a caption on 1 thread, {all:.1} us on {threads}")?;
    Ok(())
}

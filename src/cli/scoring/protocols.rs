//! Other programs' scores, and the same captions under several programs side by side.

use super::output::{Output, notes, table, verify};
use super::{ExitStatus, More, Pairs, ScoreArgs, ScoreFormat, with};
use anyhow::{Result, bail};
use rayon::prelude::*;
use rsic_metrics::meteor::Resources;
use rsic_metrics::protocol::{self, Smoothing};
use rsic_metrics::{MetricSet, Protocol, Scores, Tables};
use std::io::Write;
use std::sync::Arc;

/// The protocols that were asked for.
pub(super) fn chosen(args: &ScoreArgs) -> Result<Vec<Protocol>> {
    let smoothing: Smoothing = args.smoothing.parse()?;
    let protocols = match args.protocol.as_str() {
        _ if args.ids => vec![Protocol::Ids],
        "all" => Protocol::WORDS.to_vec(),
        name => vec![name.parse()?],
    };
    if smoothing != Smoothing::default() && !protocols.contains(&Protocol::Nltk) {
        bail!("--smoothing belongs to --protocol nltk");
    }
    if !matches!(protocols.as_slice(), [protocol] if protocol.is_coco())
        && (args.bootstrap.is_some() || args.compare.is_some() || args.spice_details || args.train.is_some())
    {
        bail!(
            "--bootstrap, --compare, --train and --spice-details need one of the protocols coco, coco-no-ptb and ids"
        );
    }
    let written = args.out.is_some() || args.verify.is_some() || args.format == ScoreFormat::Jsonl;
    if protocols.len() > 1 && written {
        bail!("--out, --verify and --format jsonl need one protocol, not 'all'");
    }
    Ok(protocols)
}

/// Scores the captions under each protocol and prints them: a table of one, or a column each.
pub(super) fn run(
    protocols: &[Protocol],
    args: &ScoreArgs,
    metrics: MetricSet,
    pairs: &Pairs<'_>,
    more: &More,
) -> Result<ExitStatus> {
    let resources = Resources::open_default()?.map(Arc::new);
    let smoothing = args.smoothing.parse()?;
    let Pairs { captions, groups, .. } = pairs;
    let score =
        |protocol: &Protocol| protocol::score(*protocol, captions, groups, metrics, smoothing, resources.clone());
    let columns = protocols.par_iter().map(score).collect::<Result<Vec<Scores>>>()?;
    if let ([protocol], [scores]) = (protocols, columns.as_slice())
        && scores.0.is_empty()
    {
        bail!("--protocol {} has none of these metrics; choose among BLEU, METEOR and ROUGE_L", protocol.name());
    }
    let tables = Tables { meteor: resources.is_some(), spice: resources.is_some() };
    let mut out = std::io::stdout().lock();
    let ([protocol], [scores]) = (protocols, columns.as_slice()) else {
        side_by_side(&mut out, protocols, &columns)?;
        if !more.corpus.0.is_empty() {
            table(&mut out, &more.corpus, &[])?;
            writeln!(out)?;
        }
        writeln!(out, "{} captions; {}", captions.len(), pairs.how)?;
        for protocol in protocols {
            writeln!(out, "{}: {}", protocol.name(), protocol.tokens())?;
        }
        notes(&mut out, more)?;
        return Ok(ExitStatus::Success);
    };
    let signature = pairs.signature(*protocol, smoothing, metrics, tables) + &more.signature;
    let all = with(scores, &more.corpus);
    let output = Output::of_corpus(&signature, &all);
    if args.format == ScoreFormat::Jsonl {
        output.lines(&mut out)?;
    } else {
        table(&mut out, &all, &[])?;
        writeln!(out, "\n{} captions; {}\nTokens: {}", captions.len(), pairs.how, protocol.tokens())?;
        notes(&mut out, more)?;
        writeln!(out, "{signature}")?;
    }
    out.flush()?;
    let status = args.verify.as_ref().map(|path| verify(path, &all, &signature, &more.corpus)).transpose()?;
    if let Some(path) = &args.out {
        output.write(path)?;
    }
    Ok(status.unwrap_or(ExitStatus::Success))
}

/// A row a metric, a column a protocol.
fn side_by_side(out: &mut impl Write, protocols: &[Protocol], columns: &[Scores]) -> Result<()> {
    let mut names: Vec<&str> = Vec::new();
    for name in columns.iter().flat_map(Scores::names) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    write!(out, "{:width$}", "")?;
    for protocol in protocols {
        write!(out, "  {:>8}", protocol.name())?;
    }
    writeln!(out)?;
    for name in names {
        write!(out, "{name:width$}")?;
        for (protocol, scores) in protocols.iter().zip(columns) {
            let value = scores.get(name).map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
            write!(out, "  {value:>0$}", protocol.name().len().max(8))?;
        }
        writeln!(out)?;
    }
    Ok(writeln!(out)?)
}

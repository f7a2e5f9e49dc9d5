//! Other programs' scores, and the same captions under several programs side by side.

use super::output::{Output, notes, table, verify};
use super::{ExitStatus, More, ScoreArgs, captions_of, with};
use anyhow::{Result, bail};
use rsic_metrics::meteor::Resources;
use rsic_metrics::protocol::{self, Smoothing};
use rsic_metrics::readers::{Captions, plain};
use rsic_metrics::{MetricSet, Protocol, Scores, Signature, Tables};
use serde_json::Value;
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
        && (args.bootstrap.is_some() || args.compare.is_some() || args.spice_details)
    {
        bail!("--bootstrap, --compare and --spice-details need one of the protocols coco, coco-no-ptb and ids");
    }
    if protocols.len() > 1 && (args.out.is_some() || args.verify.is_some()) {
        bail!("--out and --verify need one protocol, not 'all'");
    }
    Ok(protocols)
}

/// Scores the captions under each protocol and prints them: a table of one, or a column each.
pub(super) fn run(
    protocols: &[Protocol],
    args: &ScoreArgs,
    metrics: MetricSet,
    images: &[&Value],
    groups: &[&[String]],
    hypotheses: &Captions,
    more: &More,
) -> Result<ExitStatus> {
    let resources = Resources::open_default()?.map(Arc::new);
    let smoothing = args.smoothing.parse()?;
    let captions = captions_of(images, hypotheses);
    let score =
        |protocol: &Protocol| protocol::score(*protocol, &captions, groups, metrics, smoothing, resources.clone());
    let columns = protocols.iter().map(score).collect::<Result<Vec<Scores>>>()?;
    if let ([protocol], [scores]) = (protocols, columns.as_slice())
        && scores.0.is_empty()
    {
        bail!("--protocol {} has none of these metrics; choose among BLEU, METEOR and ROUGE_L", protocol.name());
    }
    let tables = Tables { meteor: resources.is_some(), spice: resources.is_some() };
    let signature = |protocol: Protocol| {
        let images = images.iter().map(|id| plain(id)).zip(groups.iter().copied());
        Signature::new(protocol, smoothing, metrics, images, tables).to_string() + &more.signature
    };
    let mut out = std::io::stdout().lock();
    let ([protocol], [scores]) = (protocols, columns.as_slice()) else {
        side_by_side(&mut out, protocols, &columns)?;
        if !more.corpus.0.is_empty() {
            table(&mut out, &more.corpus, &[])?;
            writeln!(out)?;
        }
        for protocol in protocols {
            writeln!(out, "{}: {}", protocol.name(), protocol.tokens())?;
        }
        notes(&mut out, more)?;
        return Ok(ExitStatus::Success);
    };
    let signature = signature(*protocol);
    let all = with(scores, &more.corpus);
    table(&mut out, &all, &[])?;
    writeln!(out, "\n{} captions\nTokens: {}", images.len(), protocol.tokens())?;
    notes(&mut out, more)?;
    writeln!(out, "{signature}")?;
    out.flush()?;
    let status = args.verify.as_ref().map(|path| verify(path, &all, &signature, &more.corpus)).transpose()?;
    if let Some(path) = &args.out {
        Output { signature: &signature, corpus: &all, images: Vec::new(), bootstrap: None, compare: None }
            .write(path)?;
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

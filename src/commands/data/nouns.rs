//! `rsic data nouns`.

use super::super::ExitStatus;
use crate::cli::{LogFormat, NounsArgs};
use crate::data::nouns::{NounRules, Nouns};
use crate::data::{Dataset, Split};
use anyhow::Result;
use std::io::{Write, stdout};
use std::path::Path;

/// Prints the nouns of a dataset, those of every caption, or those that are left out.
pub(super) fn nouns(args: &NounsArgs) -> Result<ExitStatus> {
    let dataset = Dataset::load_captions(&super::settings(&args.data)?)?;
    let mut rules = rules_of(&args.data.dataset)?;
    rules.tagger = args.tagger.clone().or(rules.tagger);
    if let Some(count) = args.min_count {
        rules.min_count = count;
    }
    if args.all_splits {
        rules.splits = Split::ALL.map(|split| split.name().to_owned()).into();
    }
    let nouns = Nouns::build(&dataset, &rules)?;
    let mut out = stdout().lock();
    if args.captions {
        for (image, of_image) in dataset.images.iter().zip(nouns.of_dataset(&dataset)) {
            for (caption, nouns) in image.captions.iter().zip(of_image) {
                match args.data.format {
                    LogFormat::Json => {
                        let line = serde_json::json!({
                            "file": image.file_name, "caption": caption.words.join(" "), "nouns": nouns,
                        });
                        writeln!(out, "{line}")?;
                    }
                    LogFormat::Text => {
                        writeln!(out, "{}\t{}\t{}", image.file_name, caption.words.join(" "), nouns.join(" "))?;
                    }
                }
            }
        }
        return Ok(ExitStatus::Success);
    }
    let counts = if args.stopped { nouns.stopped() } else { nouns.counts() };
    match args.data.format {
        LogFormat::Json => {
            let counts: serde_json::Map<String, serde_json::Value> =
                counts.into_iter().map(|(noun, count)| (noun.to_owned(), count.into())).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&counts)?)?;
        }
        LogFormat::Text => {
            for (noun, count) in counts {
                writeln!(out, "{count:>7}  {noun}")?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

/// The rules of an experiment whose model predicts nouns; else the usual ones.
fn rules_of(path: &Path) -> Result<NounRules> {
    if !path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
        return Ok(NounRules::default());
    }
    Ok(crate::experiment::load(path, &[])?.experiment.model.nouns().cloned().unwrap_or_default())
}

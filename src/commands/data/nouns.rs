//! `rsic data nouns`.

use super::super::ExitStatus;
use crate::cli::{LogFormat, NounsArgs};
use crate::data::nouns::{NounRules, Nouns};
use crate::data::{Dataset, Split};
use anyhow::Result;
use std::io::{Write, stdout};

/// Prints the nouns of a dataset, or those of every caption.
pub(super) fn nouns(args: &NounsArgs) -> Result<ExitStatus> {
    let dataset = Dataset::load_captions(&super::settings(&args.data)?)?;
    let mut rules = NounRules { tagger: args.tagger.clone(), ..NounRules::default() };
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
    match args.data.format {
        LogFormat::Json => {
            let counts: serde_json::Map<String, serde_json::Value> =
                nouns.counts().into_iter().map(|(noun, count)| (noun.to_owned(), count.into())).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&counts)?)?;
        }
        LogFormat::Text => {
            for (noun, count) in nouns.counts() {
                writeln!(out, "{count:>7}  {noun}")?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

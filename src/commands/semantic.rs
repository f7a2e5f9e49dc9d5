//! `rsic score` with scores by meaning, and these of `rsic eval`.

use super::ExitStatus;
use crate::cli::scoring::{self, Captioned, More};
use crate::cli::{ClipActivation, GlobalArgs, ScoreArgs, SemanticArgs};
use crate::data::ImageEntry;
use crate::eval::Scores;
use crate::models::layers::Activation;
use crate::runtime;
use crate::semantic::{ClipSettings, ImageFiles, Item, Semantic, Settings, mean};
use crate::session::{Session, SplitEvaluation};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// `rsic score`, whatever it is asked for.
pub(super) fn score(args: &ScoreArgs, global: &GlobalArgs) -> Result<ExitStatus> {
    if !args.semantic.asked() {
        return scoring::run(args, global);
    }
    if args.semantic.clip.is_some() && args.images.is_none() {
        bail!("--clip needs the images of the captions: --images FOLDER");
    }
    let settings = settings(&args.semantic);
    scoring::run_with(args, global, &|captions| {
        runtime::set_threads(global.threads)?;
        let semantic = Semantic::open(&settings, runtime::device(&global.device)?)?;
        beside(args, &semantic, captions)
    })
}

fn beside(args: &ScoreArgs, semantic: &Semantic, captions: &[Captioned]) -> Result<More> {
    let files = match &args.images {
        Some(folder) => {
            let captions = std::iter::once(&args.hypotheses).chain(&args.references);
            Some(ImageFiles::new(folder, &captions.map(PathBuf::as_path).collect::<Vec<_>>())?)
        }
        None => None,
    };
    let items = captions.iter().map(|captioned| item(captioned, files.as_ref())).collect::<Result<Vec<_>>>()?;
    let images = semantic.score(&items)?;
    let signature = semantic.signature().iter().map(|(name, value)| format!("|{name}:{value}")).collect();
    Ok(More { corpus: mean(&images), images, notes: semantic.notes(), signature })
}

fn item<'i>(captioned: &Captioned<'i>, files: Option<&'i ImageFiles>) -> Result<Item<'i>> {
    let image = files.map(|files| files.find(captioned.id)).transpose()?;
    Ok(Item { image, caption: captioned.caption, references: captioned.references })
}

/// The scores by meaning of each image of a split; empty ones of images without a caption.
pub(super) fn of_split(session: &Session, result: &SplitEvaluation, semantic: &Semantic) -> Result<Vec<Scores>> {
    let mut scores = vec![Scores::default(); result.images.len()];
    let captioned = result.images.iter().zip(&result.decoded).enumerate();
    let captioned: Vec<_> = captioned.filter(|(_, (_, decoded))| !decoded.candidates.is_empty()).collect();
    let of = |&(_, (&image, _)): &(usize, (&usize, _))| session.dataset.images.get(image).context("no such image");
    let entries = captioned.iter().map(of).collect::<Result<Vec<_>>>()?;
    let texts = |entry: &&ImageEntry| entry.captions.iter().map(|caption| caption.text.clone()).collect();
    let references: Vec<Vec<String>> = entries.iter().map(texts).collect();
    let items = captioned.iter().zip(&entries).zip(&references);
    let items = items.map(|(((_, (_, decoded)), entry), references)| Item {
        image: Some(&entry.path),
        caption: &decoded.caption,
        references,
    });
    let found = semantic.score(&items.collect::<Vec<_>>())?;
    for ((place, _), found) in captioned.iter().zip(found) {
        if let Some(scores) = scores.get_mut(*place) {
            *scores = found;
        }
    }
    Ok(scores)
}

pub(super) fn settings(args: &SemanticArgs) -> Settings {
    let activation = |activation| match activation {
        ClipActivation::QuickGelu => Activation::QuickGelu,
        ClipActivation::Gelu => Activation::Gelu,
    };
    let clip = args.clip.clone().map(|weights| ClipSettings {
        weights,
        tokens: args.clip_tokenizer.clone(),
        activation: args.clip_activation.map(activation),
    });
    Settings { clip, sentence: args.sentence.clone() }
}

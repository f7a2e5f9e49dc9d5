//! Makes `src/data/pos/builtin.json.gz`, the tables of the built-in tagger, from NLTK's tables and caption files: tags
//! the different captions by NLTK's tables and learns small tables from those tags.
//!
//! Usage: cargo run --release --example pos_tables -- OUTPUT NLTK_FOLDER EPOCHS LEAST CAPTIONS.json...
#![allow(clippy::print_stdout)]

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use rsic::data::DataConfig;
use rsic::data::pos::{Tag, Tagger, train};
use rsic::data::{Dataset, Split};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [output, nltk, epochs, least, files @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: pos_tables OUTPUT NLTK_FOLDER EPOCHS LEAST CAPTIONS.json...")
    };
    let teacher = Tagger::load(Path::new(nltk))?;
    let (mut learnt, mut held) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let path = Path::new(file);
        let folder = path.parent().context("a caption file lies in a folder")?;
        let name = path.file_name().context("a caption file has a name")?;
        let config = DataConfig { captions: name.into(), ..DataConfig::of_folder(folder) };
        for image in Dataset::load_captions(&config)?.images {
            let set = if image.split == Split::Test { &mut held } else { &mut learnt };
            set.extend(image.captions.into_iter().map(|caption| caption.words));
        }
    }
    held.retain(|words| !learnt.contains(words));
    let tagged: Vec<Vec<(String, Tag)>> =
        learnt.iter().map(|words| words.iter().cloned().zip(teacher.tag(words)).collect()).collect();
    let tables = train(&tagged, epochs.parse()?, least.parse()?, 1);
    let student = Tagger::new(&tables)?;
    let (mut words, mut same, mut kinds) = (0, 0, 0);
    let kind = |tag: Tag| (tag.is_noun(), tag.is_adjective());
    for caption in &held {
        for (ours, theirs) in student.tag(caption).into_iter().zip(teacher.tag(caption)) {
            words += 1;
            same += usize::from(ours == theirs);
            kinds += usize::from(kind(ours) == kind(theirs));
        }
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&serde_json::to_vec(&tables)?)?;
    let bytes = gzip.finish()?;
    std::fs::write(output, &bytes)?;
    let share = |count: usize| 100.0 * count as f64 / words.max(1) as f64;
    println!(
        "{} captions learnt; {} settled words, {} features, {} bytes; of {words} words in {} unseen captions {:.2} % \
        have \
         NLTK's tag, {:.2} % are a noun, an adjective or neither as there",
        learnt.len(),
        tables.tagdict.len(),
        tables.weights.len(),
        bytes.len(),
        held.len(),
        share(same),
        share(kinds)
    );
    Ok(())
}

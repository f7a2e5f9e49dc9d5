//! Captions written as they come: to standard output, or to a file beside the output that takes its name at the end.

use super::output::{self, Record, Records};
use crate::cli::CaptionArgs;
use crate::util::fs::{read_text, write_atomic};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where captions go.
pub(super) struct Lines<'a> {
    args: &'a CaptionArgs,
    /// Records of an earlier output and of an interrupted command.
    kept: Records,
    part: Option<File>,
    begun: bool,
}

/// Where an interrupted command leaves its captions.
fn part_of(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    output.with_file_name(name)
}

impl<'a> Lines<'a> {
    /// Reads what earlier commands wrote where it is to be kept.
    pub(super) fn new(args: &'a CaptionArgs) -> Result<Self> {
        let mut lines = Self { args, kept: Records::new(), part: None, begun: false };
        let Some(output) = &args.output else { return Ok(lines) };
        let part = part_of(output);
        if args.skip_existing {
            lines.kept = output::existing(output, args.format)?;
            lines.kept.extend(interrupted(&part, args)?);
        }
        Ok(lines)
    }

    /// The images that are captioned already.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.kept.keys().cloned().collect()
    }

    /// Writes a batch at once.
    pub(super) fn write(&mut self, records: &[Record]) -> Result<()> {
        let records: Vec<&Record> = records.iter().collect();
        let text = output::text(&records, self.args, !self.begun)?;
        self.begun = true;
        let Some(output) = &self.args.output else {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes())?;
            return Ok(out.flush()?);
        };
        let part = part_of(output);
        let mut file = match self.part.take() {
            Some(file) => file,
            None => begin(&part, self.args.skip_existing, self.args)?,
        };
        file.write_all(text.as_bytes()).with_context(|| format!("cannot write '{}'", part.display()))?;
        self.part = Some(file);
        Ok(())
    }

    /// Gives the output its name, its lines in the images' order behind those of other images.
    pub(super) fn finish(mut self, images: &[PathBuf]) -> Result<()> {
        let Some(output) = &self.args.output else {
            return if self.begun { Ok(()) } else { output::write(&[], &Records::new(), self.args) };
        };
        let part = part_of(output);
        match self.part.take() {
            // Written in the images' order already.
            Some(file) if self.kept.is_empty() => {
                let named = || format!("cannot write '{}'", output.display());
                file.sync_all().with_context(named)?;
                fs::rename(&part, output).with_context(named)
            }
            written => {
                if written.is_some() {
                    self.kept.extend(interrupted(&part, self.args)?);
                }
                output::write(images, &self.kept, self.args)?;
                let _ = fs::remove_file(&part); // absent where nothing was interrupted
                Ok(())
            }
        }
    }
}

/// Begins a part; where `keeps` says so, anew with what an interrupted command had written.
fn begin(part: &Path, keeps: bool, args: &CaptionArgs) -> Result<File> {
    let earlier = if keeps { interrupted(part, args)? } else { Records::new() };
    let earlier: Vec<&Record> = earlier.values().collect();
    let text = if earlier.is_empty() { String::new() } else { output::text(&earlier, args, false)? };
    write_atomic(part, text.as_bytes())?;
    File::options().append(true).open(part).with_context(|| format!("cannot write '{}'", part.display()))
}

/// The records of a command that was interrupted, without a torn last line.
fn interrupted(part: &Path, args: &CaptionArgs) -> Result<Records> {
    if !part.exists() {
        return Ok(Records::new());
    }
    let text = read_text(part)?;
    let whole = text.rfind('\n').and_then(|end| text.get(..=end)).unwrap_or_default();
    output::records(whole, part, args.format)
}

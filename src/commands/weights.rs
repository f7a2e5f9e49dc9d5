//! `rsic weights`.

use super::{ExitStatus, weights_fetch};
use crate::cli::WeightsCommand;
use crate::models::encoders::spec;
use crate::models::sam;
use crate::util::fs::{sha256_file, temporary_beside};
use crate::util::walk;
use crate::weights::{self, StateDict};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;

pub(super) fn run(command: &WeightsCommand) -> Result<ExitStatus> {
    match command {
        WeightsCommand::Info { file } => info(file),
        WeightsCommand::Convert { file, output } => convert(file, output),
        WeightsCommand::Verify { folder } => verify(folder),
        WeightsCommand::Fetch(args) => weights_fetch::run(args),
    }
}

/// `densenet169`, or that it is none of ours.
fn encoder(dict: &StateDict) -> String {
    match (spec::of_file(dict), sam::Config::recognise(dict)) {
        (Some(spec), _) => spec.name.to_owned(),
        (None, Some(config)) => format!("Segment Anything ({})", config.name()),
        (None, None) => "unknown architecture".to_owned(),
    }
}

fn info(file: &Path) -> Result<ExitStatus> {
    let dict = weights::read(file)?;
    let mut out = stdout().lock();
    let elements: usize = dict.tensors.values().map(tch::Tensor::numel).sum();
    let (format, count) = (dict.format.name(), dict.tensors.len());
    writeln!(out, "{}: {format}, {}, {count} tensors, {elements} elements", file.display(), encoder(&dict))?;
    for (name, tensor) in &dict.tensors {
        writeln!(out, "{name}  {:?}  {:?}", tensor.kind(), tensor.size())?;
    }
    Ok(ExitStatus::Success)
}

fn convert(file: &Path, output: &Path) -> Result<ExitStatus> {
    if output.extension().is_none_or(|extension| extension != "safetensors") {
        bail!("the output '{}' must end in .safetensors", output.display());
    }
    let dict = weights::read(file)?;
    let named: Vec<(&String, tch::Tensor)> =
        dict.tensors.iter().map(|(name, tensor)| (name, tensor.shallow_clone())).collect();
    if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder '{}'", folder.display()))?;
    }
    let temporary = temporary_beside(output);
    let attempt = || -> Result<()> {
        tch::Tensor::write_safetensors(&named, &temporary)?;
        fs::File::open(&temporary)?.sync_all()?;
        Ok(fs::rename(&temporary, output)?)
    };
    attempt()
        .inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
        .with_context(|| format!("cannot write '{}'", output.display()))?;
    writeln!(stdout().lock(), "{}: {} tensors of {}", output.display(), named.len(), encoder(&dict))?;
    Ok(ExitStatus::Success)
}

/// Every file of the folder that the manifest names must have its checksum, and every other one must be readable.
fn verify(folder: &Path) -> Result<ExitStatus> {
    let manifest = weights::manifest()?;
    let mut files = walk::entries(folder).with_context(|| format!("cannot read the folder '{}'", folder.display()))?;
    files.retain(|path| {
        let ours =
            path.extension().is_some_and(|extension| extension == "md" || extension == "yaml" || extension == "part");
        path.is_file() && !ours
    });
    let mut out = stdout().lock();
    let mut faults = 0;
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let state = match manifest.iter().find(|published| published.file_name() == name) {
            Some(published) => {
                let found = sha256_file(path)?;
                if published.has_checksum(&found) {
                    format!("ok, {} {}", published.name, published.version)
                } else {
                    faults += 1;
                    let (found, expected) = (found.get(..16).unwrap_or_default(), published.checksum());
                    format!("FAULT: SHA-256 starts with {found}, expected {expected}; download the file again")
                }
            }
            None => match weights::read(path) {
                Ok(dict) => format!("readable, {}, not in the manifest", encoder(&dict)),
                Err(error) => {
                    faults += 1;
                    format!("FAULT: {error:#}")
                }
            },
        };
        writeln!(out, "{name}: {state}")?;
    }
    writeln!(out, "{} files, {faults} faults", files.len())?;
    Ok(if faults == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

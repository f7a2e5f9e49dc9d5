//! `rsic doctor`: what this installation is made of, what is missing, how to mend it.

use super::ExitStatus;
use crate::cli::GlobalArgs;
use crate::eval::meteor::Resources;
use crate::runs::Environment;
use crate::runtime;
use crate::util::fs::{cache_dir, write_atomic};
use crate::util::walk;
use anyhow::Result;
use std::io::Write;
use std::path::Path;

pub(super) fn run(global: &GlobalArgs) -> Result<ExitStatus> {
    let mut report = Report { out: std::io::stdout().lock(), missing: 0 };
    let here = Environment::here();
    report.fact("rsic", &format!("{} (commit {})", here.rsic, here.commit))?;
    report.fact("rustc", &here.rustc)?;
    report.fact("LibTorch", &format!("{} in {}", here.libtorch, runtime::LIBTORCH_LIB))?;
    report.fact("processor", &format!("{}, {} cores", here.cpu, here.cores))?;
    let threads = runtime::set_threads(global.threads)?;
    report.fact("threads", &format!("{threads} for tensor operations"))?;
    cuda(&mut report)?;
    match runtime::device(&global.device) {
        Ok(device) => {
            report.fact("device", &format!("--device {}: {}", global.device, runtime::device_name(device)))?
        }
        Err(error) => report.fault("device", &format!("--device {}: {error:#}", global.device), "use --device cpu")?,
    }
    cache(&mut report)?;
    match Resources::open_default() {
        Ok(Some(_)) => report.good("METEOR", "synonyms and paraphrases available")?,
        Ok(None) => report.fault(
            "METEOR",
            "no synonyms and paraphrases; scores are printed as METEOR (exact+stem)",
            "make metrics-data",
        )?,
        Err(error) => report.fault("METEOR", &format!("{error:#}"), "make metrics-data")?,
    }
    for (folder, what) in [("datasets", "datasets"), ("weights", "encoder weights")] {
        let found = entries(Path::new(folder));
        let mend = format!("see {folder}/README.md");
        if found.is_empty() {
            report.fault(folder, &format!("no {what} in ./{folder}"), &mend)?;
        } else {
            report.good(folder, &found.join(", "))?;
        }
    }
    let missing = report.missing;
    writeln!(
        report.out,
        "{}",
        if missing == 0 {
            "nothing missing".into()
        } else {
            format!("{missing} missing or broken (only needed for the features named)")
        }
    )?;
    Ok(ExitStatus::Success)
}

fn cuda(report: &mut Report<impl Write>) -> Result<()> {
    let driver = Path::new("/proc/driver/nvidia/version").exists();
    match runtime::load_cuda() {
        None if driver => report.fault(
            "CUDA",
            "NVIDIA driver found, but LibTorch is the CPU build",
            "remove target/ and run make again on this machine, or set LIBTORCH to a CUDA build",
        ),
        None => report.fact("CUDA", "no (CPU build of LibTorch, no NVIDIA driver)"),
        Some((path, Err(error))) => {
            report.fault("CUDA", &format!("'{}' does not load: {error}", path.display()), "install its CUDA libraries")
        }
        Some((_, Ok(()))) if tch::Cuda::is_available() => {
            let cudnn = if tch::Cuda::cudnn_is_available() { "with" } else { "without" };
            report.good("CUDA", &format!("{} devices, {cudnn} cuDNN", tch::Cuda::device_count()))
        }
        Some((_, Ok(()))) => report.fault(
            "CUDA",
            "supported by LibTorch, but no device found",
            "install or update the NVIDIA driver; check CUDA_VISIBLE_DEVICES",
        ),
    }
}

fn cache(report: &mut Report<impl Write>) -> Result<()> {
    let writable = cache_dir().and_then(|cache| {
        let probe = cache.join("doctor.probe");
        write_atomic(&probe, b"")?;
        std::fs::remove_file(&probe)?;
        Ok(cache)
    });
    match writable {
        Ok(cache) => report.good("cache", &cache.display().to_string()),
        Err(error) => report.fault("cache", &format!("{error:#}"), "set RSIC_CACHE to a folder you can write to"),
    }
}

/// Names in a folder besides its README and hidden files.
fn entries(folder: &Path) -> Vec<String> {
    let paths = walk::entries(folder).unwrap_or_default();
    let names = paths.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    names.filter(|name| !name.starts_with('.') && !name.ends_with(".md") && name != "manifest.yaml").collect()
}

struct Report<W> {
    out: W,
    missing: usize,
}

impl<W: Write> Report<W> {
    fn fact(&mut self, name: &str, value: &str) -> Result<()> {
        Ok(writeln!(self.out, "    {name:10} {value}")?)
    }

    fn good(&mut self, name: &str, value: &str) -> Result<()> {
        Ok(writeln!(self.out, "ok  {name:10} {value}")?)
    }

    fn fault(&mut self, name: &str, value: &str, mend: &str) -> Result<()> {
        self.missing += 1;
        Ok(writeln!(self.out, "!   {name:10} {value}; fix: {mend}")?)
    }
}

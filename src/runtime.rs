//! The process's surroundings: LibTorch's CUDA half, the device, threads, seeds and interruption.

pub mod guard;
pub mod libtorch;

pub use crate::util::stop::Stopped;

use crate::util::stop;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once, OnceLock};
use tch::Device;

/// Folder of the LibTorch libraries that the binary was built against.
pub const LIBTORCH_LIB: &str = match option_env!("RSIC_LIBTORCH_LIB") {
    Some(path) => path,
    None => "",
};

/// Loads `libtorch_cuda.so` where it lies beside LibTorch's CPU library: CUDA registers itself when that happens.
///
/// The binary is linked against the CPU library alone, so one build serves machines with and without a GPU. Gives
/// `None` where there is no such library, else its path and how loading it went.
pub fn load_cuda() -> Option<(PathBuf, &'static Result<(), String>)> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    let path = Path::new(LIBTORCH_LIB).join("libtorch_cuda.so");
    if !path.exists() {
        return None;
    }
    let loaded = LOADED.get_or_init(|| {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: LibTorch's own library, of the build that this binary links; its initialisers only register kernels.
        match unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => {
                std::mem::forget(library); // stays loaded for the life of the process
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    });
    Some((path, loaded))
}

/// Keeps memory that tensors gave back for the next ones, instead of returning it to the system at once and getting it
/// anew, page by page, cleared: a fifth of a training's processor time. At its largest the process is as large as
/// before.
///
/// Called once, before there are threads. Does nothing where the C library is not GNU's.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}

/// The device for `auto`, `cpu`, `cuda` or `cuda:N`. `auto` that finds no GPU where there are CUDA libraries says why.
///
/// float32 is float32 from here on, in products and in convolutions; training may say otherwise for its time.
pub fn device(name: &str) -> Result<Device> {
    libtorch::allow_tf32(false);
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let cuda = match name.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(index) => index.strip_prefix(':').and_then(|index| index.parse().ok()),
        None => None,
    };
    if cuda.is_none() && name != "auto" {
        bail!("unknown device '{name}'; valid: auto, cpu, cuda, cuda:N");
    }
    let loaded = load_cuda();
    let count = if tch::Cuda::is_available() { tch::Cuda::device_count().max(0) as usize } else { 0 };
    match cuda {
        None if count > 0 => Ok(Device::Cuda(0)),
        None => {
            if let Some((path, loaded)) = loaded {
                let why = loaded.as_ref().err().cloned().unwrap_or_else(libtorch::why_no_cuda);
                tracing::warn!("using the CPU: '{}' is there, but no CUDA device is usable: {why}", path.display());
            }
            Ok(Device::Cpu)
        }
        Some(index) if index < count => Ok(Device::Cuda(index)),
        Some(index) if count > 0 => {
            bail!("device cuda:{index} does not exist; this machine has cuda:0 to cuda:{}", count - 1)
        }
        Some(_) => match loaded {
            None => bail!(
                "this LibTorch has no CUDA libraries; set LIBTORCH to a CUDA build (or run 'make' on the GPU machine) \
                and rebuild, or use --device cpu"
            ),
            Some((path, Err(error))) => bail!("cannot load '{}': {error}", path.display()),
            Some((_, Ok(()))) => bail!("{}; run 'rsic doctor', or use --device cpu", libtorch::why_no_cuda()),
        },
    }
}

/// How reports call a device: `cpu`, `cuda:0`.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Cpu => "cpu".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Sets LibTorch's threads; the default is every core that the process may use.
pub fn set_threads(threads: Option<usize>) -> Result<usize> {
    static INTER_OP: Once = Once::new();
    let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = threads.unwrap_or(available);
    if threads == 0 {
        bail!("--threads is 0; it must be at least 1");
    }
    tch::set_num_threads(i32::try_from(threads).context("--threads is too large")?);
    // Operators run one after another here: a second pool would only compete with the first.
    INTER_OP.call_once(|| tch::set_num_interop_threads(1));
    Ok(threads)
}

/// Seeds LibTorch's generators for one part of a run, derived from (seed, epoch, ...) so that a resumed run draws the
/// same numbers as an uninterrupted one.
pub fn seed(parts: &[u64]) {
    let value = (crate::util::rng::Rng::new(parts).next_u64() >> 1) as i64;
    tch::manual_seed(value);
    if tch::Cuda::is_available() {
        tch::Cuda::manual_seed_all(value as u64);
    }
}

/// Set once SIGINT, SIGTERM or SIGUSR1 has arrived: finish the step, save, exit 130. A second signal ends at once.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Installs the handlers (once a process) and gives the flag they set.
    pub fn install() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        static FLAG: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
        if let Some(flag) = FLAG.get() {
            return Ok(Self(flag.clone()));
        }
        let flag = stop::flag();
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
            // The order matters: the first signal finds the shutdown unarmed and arms it for the second.
            signal_hook::flag::register_conditional_shutdown(signal, 130, armed.clone())
                .and_then(|_| signal_hook::flag::register(signal, armed))
                .and_then(|_| signal_hook::flag::register_usize(signal, flag.clone(), 1))
                .context("cannot install the signal handlers")?;
        }
        Ok(Self(FLAG.get_or_init(|| flag).clone()))
    }

    /// A flag that no signal sets, for tests and library use.
    pub fn never() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// [`Stopped`] once the process was asked to stop, with what is kept and how to go on.
    pub fn check(&self, kept: &'static str) -> Result<()> {
        match self.requested() {
            true => Err(Stopped(kept).into()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_known_as_such_whatever_is_said_about_it() {
        let interrupt = Interrupt::never();
        interrupt.check("nothing is lost").unwrap();
        interrupt.0.store(1, Ordering::Relaxed);
        let error = interrupt.check("nothing is lost").context("in the second image").unwrap_err();
        assert!(error.is::<Stopped>());
        assert_eq!(format!("{error:#}"), "in the second image: interrupted; nothing is lost");
    }
}

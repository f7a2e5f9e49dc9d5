//! Whether the process was asked to stop, for what waits.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// The error of work that a signal has ended: no failure, but exit code 130. Holds what is kept and how to go on.
#[derive(Debug)]
pub struct Stopped(pub &'static str);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted; {}", self.0)
    }
}

impl std::error::Error for Stopped {}

/// What the process's signal handlers set, once there are any: not 0 where it was asked to stop.
pub fn flag() -> Arc<AtomicUsize> {
    static FLAG: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
    FLAG.clone()
}

/// [`Stopped`] once the process was asked to stop.
///
/// # Errors
/// That one alone.
pub fn check(kept: &'static str) -> Result<(), Stopped> {
    match flag().load(Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(Stopped(kept)),
    }
}

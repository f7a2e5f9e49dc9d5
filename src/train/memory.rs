//! How much memory the process uses.

use serde::{Deserialize, Serialize};

/// MiB in use at the end of an epoch, and at most so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident memory of the process.
    pub process: u64,
    pub process_peak: u64,
}

impl Memory {
    /// As the kernel tells it; zeros where it does not.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self { process: mib(&status, "VmRSS:"), process_peak: mib(&status, "VmHWM:") }
    }
}

/// A line such as `VmRSS:     1234 kB`.
fn mib(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_lines_are_read_as_mib() {
        assert_eq!(mib("VmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n", "VmRSS:"), 100);
        assert_eq!(mib("", "VmRSS:"), 0);
        let memory = Memory::now();
        assert!(memory.process > 0 && memory.process_peak >= memory.process);
    }
}

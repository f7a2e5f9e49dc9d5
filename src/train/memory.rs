//! How much memory the process uses.

use crate::runtime::libtorch::cuda_memory;
use serde::{Deserialize, Serialize};
use tch::Device;

/// MiB in use at the end of an epoch, and at most so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident memory of the process.
    pub process: u64,
    pub process_peak: u64,
    /// Tensors on the CUDA device, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuda_peak: Option<u64>,
}

impl Memory {
    /// As the kernel and LibTorch tell it; zeros where the kernel does not.
    pub fn now(device: Device) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let (cuda, cuda_peak) = cuda_memory(device).map(|(now, peak)| (now >> 20, peak >> 20)).unzip();
        Self { process: mib(&status, "VmRSS:"), process_peak: mib(&status, "VmHWM:"), cuda, cuda_peak }
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
        let memory = Memory::now(Device::Cpu);
        assert!(memory.process > 0 && memory.process_peak >= memory.process);
    }
}

//! The process's switches that training sets.

use crate::runtime::libtorch::{allow_tf32, set_deterministic};
use crate::train::{TrainConfig, TrainPrecision};
use anyhow::{Result, bail};
use tch::Device;

/// cuBLAS is deterministic with one of these as `CUBLAS_WORKSPACE_CONFIG` only.
const CUBLAS_WORKSPACES: [&str; 2] = [":4096:8", ":16:8"];

/// Takes TF32 back at the end: what is decoded after training is what `rsic eval` decodes.
pub(super) struct Switched;

impl Drop for Switched {
    fn drop(&mut self) {
        allow_tf32(false);
    }
}

/// Sets the switches as a training's settings say, until its end.
pub(super) fn set(config: &TrainConfig, device: Device) -> Result<Switched> {
    if config.precision == TrainPrecision::Bf16 && !matches!(device, Device::Cuda(_)) {
        bail!("train.precision is bf16, which is for CUDA devices; set train.precision=float32 to train on a CPU");
    }
    if config.deterministic && matches!(device, Device::Cuda(_)) {
        let set = std::env::var("CUBLAS_WORKSPACE_CONFIG").unwrap_or_default();
        if !CUBLAS_WORKSPACES.contains(&set.as_str()) {
            bail!(
                "train.deterministic on a CUDA device needs the environment variable CUBLAS_WORKSPACE_CONFIG=:4096:8; \
                 export it and rerun"
            );
        }
    }
    allow_tf32(config.tf32);
    set_deterministic(config.deterministic);
    tracing::debug!(tf32 = config.tf32, deterministic = config.deterministic, "precision {:?}", config.precision);
    Ok(Switched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_on_a_cpu_is_one_sentence() {
        let config = TrainConfig { precision: TrainPrecision::Bf16, ..TrainConfig::default() };
        let Err(error) = set(&config, Device::Cpu) else { panic!("bf16 on a CPU was not refused") };
        assert!(error.to_string().contains("train.precision=float32"), "{error}");
    }
}

//! Training by several processes, one a device: each computes the gradients of its part of every step's examples, and
//! all make the same update from their sum.

mod launch;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "nccl")]
mod nccl;
#[cfg(feature = "nccl")]
mod rendezvous;

pub use launch::Launch;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use tch::{Device, Kind, Tensor};

/// What carries tensors between processes. Every process makes the same calls in the same order, with contiguous
/// tensors of the same kind and length.
trait Link {
    /// Puts the elementwise sum over all processes into the tensor (Float or Double), the same bits everywhere.
    fn sum(&self, tensor: &mut Tensor) -> Result<()>;

    /// Puts the values of process 0 into the tensor.
    fn broadcast(&self, tensor: &mut Tensor) -> Result<()>;

    /// Ends the connection; waits for the others.
    fn finish(&mut self);
}

/// The processes that train one model together; most often a single one.
///
/// A process that fails leaves without a word and ends with an error, upon which its launcher ends the others; failures
/// that are foreseen are told to all ([`ProcessGroup::share`]).
pub struct ProcessGroup {
    rank: usize,
    size: usize,
    device: Device,
    link: Option<Box<dyn Link>>,
}

impl fmt::Debug for ProcessGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessGroup").field("rank", &self.rank).field("size", &self.size).finish_non_exhaustive()
    }
}

impl ProcessGroup {
    /// A process on its own.
    pub fn solo() -> Self {
        Self { rank: 0, size: 1, device: Device::Cpu, link: None }
    }

    /// Meets the processes that were started together with this one, on CPUs by MPI and on GPUs by NCCL.
    ///
    /// Errors: this build can do neither.
    pub fn join(launch: &Launch, device: Device) -> Result<Self> {
        if launch.size == 1 {
            return Ok(Self { device, ..Self::solo() });
        }
        let link = link(launch, device).with_context(|| {
            let Launch { rank, size, by, .. } = launch;
            format!("this is process {} of {size} started by {by}, but they cannot train together", rank + 1)
        })?;
        tracing::info!("{} processes train together", launch.size);
        Ok(Self { rank: launch.rank, size: launch.size, device, link: Some(link) })
    }

    /// Processes in all.
    pub fn size(&self) -> usize {
        self.size
    }

    /// From 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    pub fn is_solo(&self) -> bool {
        self.link.is_none()
    }

    /// Whether this is the process that validates, writes and logs.
    pub fn leads(&self) -> bool {
        self.rank == 0
    }

    /// This process's examples of a step: every `size`-th, so that the lengths that buckets bring together are shared
    /// out.
    pub fn part(&self, examples: &[usize]) -> Vec<usize> {
        examples.iter().skip(self.rank).step_by(self.size).copied().collect()
    }

    /// What `work` gives in process 0, which alone does it; its error in every process.
    pub fn share<T: Serialize + DeserializeOwned>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.is_solo() {
            return work();
        }
        if self.leads() {
            let result = work();
            let told = result.as_ref().map_err(|error| format!("{error:#}"));
            self.tell(&serde_json::to_vec(&told)?)?;
            return result;
        }
        let told: std::result::Result<T, String> = serde_json::from_slice(&self.hear()?)?;
        told.map_err(|error| anyhow!("process 1 of {} failed: {error}", self.size))
    }

    /// Sums of numbers over all processes.
    pub(super) fn sum_values(&self, values: &mut [f64]) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        let mut tensor = Tensor::from_slice(values).to_device(self.device);
        link.sum(&mut tensor)?;
        let length = values.len();
        Ok(tensor.to_device(Device::Cpu).f_copy_data(values, length)?)
    }

    /// The elementwise sum over all processes, in place; contiguous.
    pub(super) fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        self.link.as_ref().map_or(Ok(()), |link| link.sum(tensor))
    }

    /// The values of process 0, in place.
    pub(super) fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        let Some(link) = &self.link else { return Ok(()) };
        tch::no_grad(|| {
            let mut whole = tensor.detach().to_device(self.device).contiguous();
            link.broadcast(&mut whole)?;
            Ok(tensor.f_copy_(&whole)?)
        })
    }

    /// Takes leave of the other processes, all of which do so.
    pub fn finish(mut self) {
        if let Some(link) = &mut self.link {
            link.finish();
        }
    }

    fn tell(&self, bytes: &[u8]) -> Result<()> {
        self.broadcast(&mut Tensor::from_slice(&[bytes.len() as i64]))?;
        self.broadcast(&mut Tensor::from_slice(bytes))
    }

    fn hear(&self) -> Result<Vec<u8>> {
        let mut length = Tensor::from_slice(&[0i64]);
        self.broadcast(&mut length)?;
        let mut bytes = Tensor::zeros([length.int64_value(&[0])], (Kind::Uint8, Device::Cpu));
        self.broadcast(&mut bytes)?;
        Ok(Vec::try_from(bytes)?)
    }
}

#[allow(unused_variables, reason = "by the features of this build")]
fn link(launch: &Launch, device: Device) -> Result<Box<dyn Link>> {
    match device {
        #[cfg(feature = "mpi")]
        Device::Cpu => Ok(Box::new(mpi::Mpi::join(launch)?)),
        #[cfg(feature = "nccl")]
        Device::Cuda(_) => Ok(Box::new(nccl::Nccl::join(launch, device)?)),
        #[cfg(not(feature = "nccl"))]
        Device::Cuda(_) => {
            bail!("this program was built without NCCL; rebuild it with --features nccl or start a single process")
        }
        _ => bail!("this program was built without MPI; rebuild it with --features mpi or start a single process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_step_make_the_whole_and_differ_by_one_at_most() {
        let member = |rank| ProcessGroup { rank, size: 3, device: Device::Cpu, link: None };
        let parts: Vec<Vec<usize>> = (0..3).map(|rank| member(rank).part(&[9, 4, 7, 1])).collect();
        assert_eq!(parts, [vec![9, 1], vec![4], vec![7]]);
        assert_eq!(ProcessGroup::solo().part(&[9, 4]), [9, 4]);
        assert!(member(2).part(&[9]).is_empty());
    }

    #[test]
    fn a_process_on_its_own_shares_with_nobody() {
        let solo = ProcessGroup::solo();
        assert_eq!(solo.share(|| Ok(3)).unwrap(), 3);
        assert!(solo.share::<()>(|| bail!("no")).is_err());
        let mut values = [1.0, 2.0];
        solo.sum_values(&mut values).unwrap();
        assert_eq!(values, [1.0, 2.0]);
        solo.finish();
    }

    #[cfg(not(feature = "mpi"))]
    #[test]
    fn several_processes_without_mpi_are_refused_in_one_sentence() {
        let launch = Launch { rank: 1, size: 2, local_rank: 1, local_size: 2, by: "mpirun" };
        let error = format!("{:#}", ProcessGroup::join(&launch, Device::Cpu).unwrap_err());
        assert!(error.contains("process 2 of 2 started by mpirun") && error.contains("--features mpi"), "{error}");
    }
}

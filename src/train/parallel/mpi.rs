//! Processes on CPUs, by MPI.

use super::{Launch, Link};
use anyhow::{Context, Result, bail};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence, Root};
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use tch::{Device, Kind, Tensor};

/// Most elements of one call: MPI counts them in 32 bits.
const MOST: usize = 1 << 28;

/// The world of the processes that were started together.
pub(super) struct Mpi {
    /// Ended by [`Link::finish`] alone: ending waits for all processes, which is not for one that fails.
    universe: ManuallyDrop<Universe>,
    world: SimpleCommunicator,
    sums: RefCell<Sums>,
}

/// Room for what comes back of a sum.
#[derive(Default)]
struct Sums {
    floats: Vec<f32>,
    doubles: Vec<f64>,
}

impl Mpi {
    pub(super) fn join(launch: &Launch) -> Result<Self> {
        let (universe, _) =
            mpi::initialize_with_threading(Threading::Funneled).context("MPI is already initialised")?;
        let universe = ManuallyDrop::new(universe);
        let world = universe.world();
        let found = (usize::try_from(world.rank())?, usize::try_from(world.size())?);
        if found != (launch.rank, launch.size) {
            bail!(
                "{} says that this is process {} of {}, but MPI knows {} in all; on CPUs the processes must be started \
                by the mpirun (or srun --mpi) of the MPI library that this program was built with",
                launch.by,
                launch.rank + 1,
                launch.size,
                found.1
            );
        }
        Ok(Self { universe, world, sums: RefCell::default() })
    }
}

impl Link for Mpi {
    fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        let length = tensor.numel();
        let mut sums = self.sums.borrow_mut();
        // SAFETY: the caller gives a contiguous tensor, here in memory of the host, which lives through the call.
        match (tensor.device(), tensor.kind()) {
            (Device::Cpu, Kind::Float) => unsafe {
                let values = std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>(), length);
                sum(&self.world, values, &mut sums.floats, 0.0);
            },
            (Device::Cpu, Kind::Double) => unsafe {
                let values = std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f64>(), length);
                sum(&self.world, values, &mut sums.doubles, 0.0);
            },
            other => bail!("MPI sums float32 and float64 on CPUs, not {other:?}"),
        }
        Ok(())
    }

    fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        if tensor.device() != Device::Cpu {
            bail!("MPI exchanges CPU tensors only, not {:?}", tensor.device());
        }
        let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
        // SAFETY: as above; every kind of element may be seen as bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<u8>(), length) };
        bytes.chunks_mut(MOST).for_each(|chunk| self.world.process_at_rank(0).broadcast_into(chunk));
        Ok(())
    }

    fn finish(&mut self) {
        // SAFETY: neither it nor the world is used again: the group that owns this is consumed.
        unsafe { ManuallyDrop::drop(&mut self.universe) }
    }
}

fn sum<T: Copy + Equivalence>(world: &SimpleCommunicator, values: &mut [T], room: &mut Vec<T>, zero: T) {
    room.resize(values.len(), zero);
    for (values, sums) in values.chunks_mut(MOST).zip(room.chunks_mut(MOST)) {
        world.all_reduce_into(values, sums, SystemOperation::sum());
        values.copy_from_slice(sums);
    }
}

//! Which of how many processes this is.

use crate::runtime;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use tch::Device;

/// A process's place among those that a launcher started together, as it says in environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// From 0 to `size - 1`.
    pub rank: usize,
    /// Processes in all.
    pub size: usize,
    /// Number of this process on its machine.
    pub local_rank: usize,
    /// Processes on this machine.
    pub local_size: usize,
    /// What started them; `""` for a process on its own.
    pub by: &'static str,
}

/// The variables of a launcher.
struct Launcher {
    name: &'static str,
    rank: &'static str,
    size: &'static str,
    local_rank: &'static str,
    local_size: &'static str,
}

/// The innermost first: `torchrun` may be started by `srun`, `mpirun` within a job of Slurm. Slurm's variables of the
/// job itself are left alone: they are there in a batch script, too, which is one process.
const LAUNCHERS: [Launcher; 4] = [
    Launcher {
        name: "torchrun",
        rank: "RANK",
        size: "WORLD_SIZE",
        local_rank: "LOCAL_RANK",
        local_size: "LOCAL_WORLD_SIZE",
    },
    Launcher {
        name: "mpirun",
        rank: "OMPI_COMM_WORLD_RANK",
        size: "OMPI_COMM_WORLD_SIZE",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
    Launcher {
        name: "mpiexec",
        rank: "PMI_RANK",
        size: "PMI_SIZE",
        local_rank: "MPI_LOCALRANKID",
        local_size: "MPI_LOCALNRANKS",
    },
    Launcher {
        name: "srun",
        rank: "SLURM_PROCID",
        size: "SLURM_STEP_NUM_TASKS",
        local_rank: "SLURM_LOCALID",
        local_size: "SLURM_STEP_TASKS_PER_NODE",
    },
];

impl Launch {
    /// As this process's environment says.
    pub fn from_env() -> Result<Self> {
        Self::read(|name| std::env::var_os(name))
    }

    fn alone() -> Self {
        Self { rank: 0, size: 1, local_rank: 0, local_size: 1, by: "" }
    }

    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let number = |name: &str| -> Result<Option<usize>> {
            let Some(value) = variable(name) else { return Ok(None) };
            let value = value.to_string_lossy();
            // Slurm counts the tasks of each machine: `2(x3),1`.
            let digits = value.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            let parsed = digits.parse().with_context(|| format!("the environment variable {name} is '{value}'"));
            parsed.map(Some).with_context(|| "expected a number; start the processes with mpirun, srun or torchrun")
        };
        for Launcher { name, rank, size, local_rank, local_size } in LAUNCHERS {
            let (Some(place), Some(count)) = (number(rank)?, number(size)?) else { continue };
            if count <= 1 {
                continue;
            }
            if place >= count {
                bail!("{rank} is {place} but {size} is {count}; processes are counted from 0");
            }
            return Ok(Self {
                rank: place,
                size: count,
                local_rank: number(local_rank)?.unwrap_or(place),
                local_size: number(local_size)?.unwrap_or(count).clamp(1, count),
                by: name,
            });
        }
        Ok(Self::alone())
    }

    /// An error where this process is one of several, for work that they cannot share: each would do all of it, in the
    /// same place.
    pub fn refuse_several(&self, command: &str) -> Result<()> {
        if self.size > 1 {
            bail!(
                "this is process {} of {} started by {}, but '{command}' runs as one process; start it without {}",
                self.rank + 1,
                self.size,
                self.by,
                self.by
            );
        }
        Ok(())
    }

    /// The device for [`runtime::device`]'s names; where the name leaves it open, the GPUs of a machine go to its
    /// processes in turn.
    pub fn device(&self, name: &str) -> Result<Device> {
        let device = runtime::device(name)?;
        let several = self.size > 1 && matches!(name, "auto" | "cuda");
        match device {
            Device::Cuda(_) if several => {
                Ok(Device::Cuda(self.local_rank % usize::try_from(tch::Cuda::device_count()).unwrap_or(1).max(1)))
            }
            device => Ok(device),
        }
    }

    /// Threads of each process where nothing is said: the cores that its launcher bound it to, or else its share of the
    /// machine's. `None` leaves it to [`runtime::set_threads`].
    pub fn threads(&self) -> Option<usize> {
        if self.local_size <= 1 {
            return None;
        }
        let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // SAFETY: asks for a number of the system.
        let online = usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(available);
        let bound = available < online;
        Some(if bound { available } else { (available / self.local_size).max(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Launch> {
        Launch::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn each_launcher_s_variables_are_understood_and_one_process_is_alone() {
        assert_eq!(read(&[]).unwrap(), Launch::alone());
        assert_eq!(read(&[("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "1")]).unwrap(), Launch::alone());
        let mpirun = [
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
        ];
        let expected = Launch { rank: 3, size: 4, local_rank: 1, local_size: 2, by: "mpirun" };
        assert_eq!(read(&mpirun).unwrap(), expected);
        let within: Vec<_> = mpirun.into_iter().chain([("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "2")]).collect();
        assert_eq!(read(&within).unwrap(), expected);
        let torchrun = [("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")];
        assert_eq!(read(&torchrun).unwrap().by, "torchrun");
        let srun = [
            ("SLURM_PROCID", "2"),
            ("SLURM_STEP_NUM_TASKS", "7"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_STEP_TASKS_PER_NODE", "2(x3),1"),
        ];
        assert_eq!(read(&srun).unwrap(), Launch { rank: 2, size: 7, local_rank: 0, local_size: 2, by: "srun" });
        assert_eq!(read(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")]).unwrap(), Launch::alone(), "a batch script");
    }

    #[test]
    fn senseless_variables_are_an_error_that_names_them() {
        let error = format!("{:#}", read(&[("RANK", "x"), ("WORLD_SIZE", "2")]).unwrap_err());
        assert!(error.contains("RANK is 'x'"), "{error}");
        let error = format!("{:#}", read(&[("RANK", "2"), ("WORLD_SIZE", "2")]).unwrap_err());
        assert!(error.contains("RANK is 2 but WORLD_SIZE is 2"), "{error}");
    }

    #[test]
    fn one_of_several_is_refused_where_they_cannot_share_the_work() {
        let several = read(&[("RANK", "1"), ("WORLD_SIZE", "2")]).unwrap();
        let error = several.refuse_several("rsic pretrain").unwrap_err().to_string();
        assert!(error.contains("process 2 of 2 started by torchrun"), "{error}");
        assert!(Launch::alone().refuse_several("rsic pretrain").is_ok());
    }
}

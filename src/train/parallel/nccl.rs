//! Processes on GPUs, by NCCL, which LibTorch's CUDA libraries bring along.
//!
//! Untried: no measurement has been made on a GPU.

use super::{Launch, Link, rendezvous};
use crate::runtime::libtorch;
use anyhow::{Context, Result, bail};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use std::ffi::{CStr, c_char, c_int, c_void};
use tch::{Device, Kind, Tensor};

/// Names of the library; LibTorch has loaded the first one.
const NAMES: [&str; 2] = ["libnccl.so.2", "libnccl.so"];
/// `ncclDataType_t` and `ncclRedOp_t`.
const UINT8: c_int = 1;
const FLOAT32: c_int = 7;
const FLOAT64: c_int = 8;
const SUM: c_int = 0;

/// `ncclUniqueId`.
#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId([u8; 128]);

type Comm = *mut c_void;
/// LibTorch works on CUDA's default stream here, so what is asked there comes in order with its own work.
const STREAM: *mut c_void = std::ptr::null_mut();

/// The communicator of the processes that were started together.
pub(super) struct Nccl {
    library: Library,
    comm: Comm,
    device: Device,
}

impl Nccl {
    pub(super) fn join(launch: &Launch, device: Device) -> Result<Self> {
        libtorch::use_cuda_device(device)?;
        // SAFETY: NVIDIA's library; its initialisers do nothing that this process minds.
        let open = |name: &&str| unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) }.ok();
        let library = NAMES.iter().find_map(open).with_context(|| {
            format!("cannot load NCCL ({}), which comes with LibTorch's CUDA libraries", NAMES.join(" or "))
        })?;
        let mut nccl = Self { library, comm: std::ptr::null_mut(), device };
        let mut id = UniqueId([0; 128]);
        if launch.rank == 0 {
            // SAFETY: the signature is that of nccl.h, as in all calls below.
            unsafe {
                let unique_id: Symbol<unsafe extern "C" fn(*mut UniqueId) -> c_int> =
                    nccl.symbol(b"ncclGetUniqueId")?;
                nccl.check(unique_id(&mut id))?;
            }
        }
        rendezvous::share(launch, &mut id.0)?;
        // SAFETY: as above; `comm` lives until NCCL has filled it.
        unsafe {
            type Init = unsafe extern "C" fn(*mut Comm, c_int, UniqueId, c_int) -> c_int;
            let mut comm = std::ptr::null_mut();
            let init: Symbol<Init> = nccl.symbol(b"ncclCommInitRank")?;
            nccl.check(init(&mut comm, c_int::try_from(launch.size)?, id, c_int::try_from(launch.rank)?))?;
            nccl.comm = comm;
        }
        Ok(nccl)
    }

    /// # Safety
    /// `T` must be the function's type.
    unsafe fn symbol<T>(&self, name: &[u8]) -> Result<Symbol<T>> {
        // SAFETY: the caller's promise.
        unsafe { self.library.get(name) }
            .with_context(|| format!("NCCL does not provide {}", String::from_utf8_lossy(name)))
    }

    fn check(&self, code: c_int) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: gives a string that lives as long as the library.
        let text = unsafe {
            let text: Symbol<unsafe extern "C" fn(c_int) -> *const c_char> = self.symbol(b"ncclGetErrorString")?;
            CStr::from_ptr(text(code)).to_string_lossy().into_owned()
        };
        bail!("NCCL failed: {text}; set NCCL_DEBUG=WARN for details");
    }

    fn own(&self, tensor: &Tensor) -> Result<()> {
        if tensor.device() != self.device {
            bail!("NCCL was started on {:?}, the tensor is on {:?}", self.device, tensor.device());
        }
        Ok(())
    }
}

impl Link for Nccl {
    fn sum(&self, tensor: &mut Tensor) -> Result<()> {
        self.own(tensor)?;
        let kind = match tensor.kind() {
            Kind::Float => FLOAT32,
            Kind::Double => FLOAT64,
            other => bail!("NCCL sums float32 and float64 only, not {other:?}"),
        };
        type AllReduce =
            unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Comm, *mut c_void) -> c_int;
        // SAFETY: the signature is that of nccl.h; the caller gives a contiguous tensor, which is on our device.
        unsafe {
            let all_reduce: Symbol<AllReduce> = self.symbol(b"ncclAllReduce")?;
            let data = tensor.data_ptr();
            self.check(all_reduce(data, data, tensor.numel(), kind, SUM, self.comm, STREAM))
        }
    }

    fn broadcast(&self, tensor: &mut Tensor) -> Result<()> {
        self.own(tensor)?;
        let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
        type Broadcast =
            unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Comm, *mut c_void) -> c_int;
        // SAFETY: as above; every kind of element may be seen as bytes.
        unsafe {
            let broadcast: Symbol<Broadcast> = self.symbol(b"ncclBroadcast")?;
            let data = tensor.data_ptr();
            self.check(broadcast(data, data, length, UINT8, 0, self.comm, STREAM))
        }
    }

    fn finish(&mut self) {
        // SAFETY: the signature is that of nccl.h; the communicator is not used again. What fails here harms nothing.
        unsafe {
            if let Ok(destroy) = self.symbol::<unsafe extern "C" fn(Comm) -> c_int>(b"ncclCommDestroy") {
                destroy(self.comm);
            }
        }
    }
}

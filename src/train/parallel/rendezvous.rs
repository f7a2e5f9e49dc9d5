//! How processes that cannot yet speak to one another agree on a few bytes: those of process 0, by TCP.

use super::Launch;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long processes wait for the last of them to start.
const PATIENCE: Duration = Duration::from_secs(300);
/// PyTorch's.
const PORT: u16 = 29500;

/// Gives every process the bytes that process 0 has: at `MASTER_ADDR`, at the port after `MASTER_PORT`, since torchrun
/// itself listens at that one. On a single machine neither needs to be set.
pub(super) fn share(launch: &Launch, bytes: &mut [u8]) -> Result<()> {
    let address = match std::env::var("MASTER_ADDR") {
        Ok(address) => address,
        Err(_) if launch.local_size == launch.size => "127.0.0.1".into(),
        Err(_) => bail!("the processes run on several machines: set MASTER_ADDR to the name of the first one's"),
    };
    let port = match std::env::var("MASTER_PORT") {
        Ok(port) => port.parse().ok().and_then(|port: u16| port.checked_add(1)),
        Err(_) => Some(PORT + 1),
    };
    let port = port.context("MASTER_PORT is not a valid port (expected 1024 to 65534)")?;
    share_at(&address, port, launch, bytes, PATIENCE)
}

fn share_at(address: &str, port: u16, launch: &Launch, bytes: &mut [u8], patience: Duration) -> Result<()> {
    let until = Instant::now() + patience;
    let at = format!("{address}:{port}");
    if launch.rank == 0 {
        let listener = TcpListener::bind(("0.0.0.0", port))
            .with_context(|| format!("cannot listen on port {port}; choose another with MASTER_PORT={}", port - 1))?;
        listener.set_nonblocking(true)?;
        let mut served = 1;
        while served < launch.size {
            match listener.accept() {
                Ok((mut peer, _)) => {
                    peer.set_nonblocking(false)?;
                    peer.write_all(bytes).with_context(|| format!("cannot connect a process at '{at}'"))?;
                    served += 1;
                }
                Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                Err(_) => bail!("{served} of {} processes came to '{at}' within {patience:?}", launch.size),
            }
        }
        return Ok(());
    }
    loop {
        match TcpStream::connect((address, port)).and_then(|mut stream| stream.read_exact(bytes)) {
            Ok(()) => return Ok(()),
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(error).with_context(|| format!("process 0 does not answer at '{at}'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_process_gets_the_bytes_of_the_first_whichever_starts_first() {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let member = move |rank: usize| {
            let launch = Launch { rank, size: 3, local_rank: rank, local_size: 3, by: "test" };
            let mut bytes = if rank == 0 { [7u8; 16] } else { [0; 16] };
            share_at("127.0.0.1", port, &launch, &mut bytes, Duration::from_secs(20)).map(|()| bytes)
        };
        let late = std::thread::spawn(move || member(2));
        std::thread::sleep(Duration::from_millis(100));
        let others = [0, 1].map(|rank| std::thread::spawn(move || member(rank)));
        for process in others.into_iter().chain([late]) {
            assert_eq!(process.join().unwrap().unwrap(), [7; 16]);
        }
    }
}

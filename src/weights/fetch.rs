//! Downloading the files of the manifest: resumed where a part is there, checked, and put in place only when whole.

use super::Published;
use crate::util::fs::sha256_file;
use anyhow::{Context, Error, Result, anyhow, bail};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

/// How to download.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// An address below which all files lie by their names: asked in place of the manifest's addresses.
    pub mirror: Option<String>,
    /// Longest time to wait for a connection, for an answer, and between two pieces of a file.
    pub patience: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { mirror: None, patience: Duration::from_secs(30) }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It lay there already, with the right checksum.
    Present,
    /// It was downloaded; so many bytes were there from an earlier attempt.
    Downloaded { resumed_from: u64 },
}

/// Told after every piece: bytes that are there, and bytes in all where the server says so. An error stops the
/// download; what is there stays for the next attempt.
pub type FetchProgress<'a> = &'a mut dyn FnMut(u64, Option<u64>) -> Result<()>;

/// How often an address is asked again after its connection broke, as long as each attempt brings the file further.
const ATTEMPTS: usize = 5;

/// Downloads a file of the manifest into `folder`, from the first address that has it.
///
/// A part of an earlier attempt (`<file>.part`) is continued. The file appears under its name only when its SHA-256 is
/// that of the manifest; a part with a wrong one is thrown away.
///
/// # Errors
/// One sentence with the address, for: a machine that cannot be reached, a server that stalls or refuses, a file with a
/// wrong checksum, a disk that cannot be written.
pub fn fetch(published: &Published, folder: &Path, options: &FetchOptions, progress: FetchProgress) -> Result<Fetched> {
    let path = folder.join(published.file_name());
    if path.is_file() {
        if published.has_checksum(&sha256_file(&path)?) {
            return Ok(Fetched::Present);
        }
        tracing::warn!("'{}' has a wrong checksum; downloading it again to replace it", path.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create the folder '{}'", folder.display()))?;
    let urls = match &options.mirror {
        Some(mirror) => vec![format!("{}/{}", mirror.trim_end_matches('/'), published.file_name())],
        None => published.urls.clone(),
    };
    let mut download = Download::open(published, &path, options)?;
    let resumed_from = download.length()?;
    let mut failures = Vec::new();
    for url in &urls {
        match download.from(url, progress) {
            Ok(()) => {
                download.finish()?;
                return Ok(Fetched::Downloaded { resumed_from });
            }
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Here(error)) => failures.push(format!("{error:#}")),
        }
    }
    if download.length()? == 0 {
        let _ = fs::remove_file(&download.part);
    }
    let advice = format!(
        "download it on another machine and copy it to '{}', or use a mirror with --mirror URL",
        path.display()
    );
    bail!("cannot download {}: {}; {advice}", published.file_name(), failures.join("; "))
}

/// Why an address did not give the file.
enum Failure {
    /// Another address may.
    Here(Error),
    /// No other will: the disk is full, the user has stopped it.
    Final(Error),
}

/// What came of one connection.
enum Received {
    Whole,
    /// The connection broke after some bytes, for this reason.
    Broken(Error),
}

struct Download<'a> {
    published: &'a Published,
    path: &'a Path,
    part: PathBuf,
    file: File,
    agent: Agent,
    patience: Duration,
}

impl<'a> Download<'a> {
    fn open(published: &'a Published, path: &'a Path, options: &FetchOptions) -> Result<Self> {
        let part = path.with_file_name(format!("{}.part", published.file_name()));
        let context = || format!("cannot write '{}'", part.display());
        let file = OpenOptions::new().create(true).append(true).open(&part).with_context(context)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!("another process is downloading '{}'; wait for it to finish or stop it", path.display())
            }
            // A file system without locks is no reason not to download.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let patience = Some(options.patience);
        let agent = Agent::config_builder()
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .http_status_as_error(false)
            .user_agent(concat!("rsic/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { published, path, part, file, agent: agent.into(), patience: options.patience })
    }

    /// Bytes that are there.
    fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().with_context(|| format!("cannot read '{}'", self.part.display()))?.len())
    }

    fn restart(&self) -> Result<()> {
        self.file.set_len(0).with_context(|| format!("cannot write '{}'", self.part.display()))
    }

    /// Downloads the rest of the file from one address and checks the whole.
    fn from(&mut self, url: &str, progress: FetchProgress) -> Result<(), Failure> {
        let resumed = self.length().map_err(Failure::Final)? > 0;
        let mut found = self.attempt(url, progress)?;
        if resumed && !self.published.has_checksum(&found) {
            // The part may have been of another file: then the fault lies in it and not in the server.
            found = self.attempt(url, progress)?;
        }
        if self.published.has_checksum(&found) {
            return Ok(());
        }
        let (found, expected) = (found.get(..16).unwrap_or_default(), self.published.checksum());
        Err(Failure::Here(anyhow!(
            "{url} returned a different file: SHA-256 starts with {found}, expected {}",
            expected.get(..16).unwrap_or(expected)
        )))
    }

    /// Downloads what is missing; gives the SHA-256 of the whole, and empties the part where that is wrong.
    fn attempt(&mut self, url: &str, progress: FetchProgress) -> Result<String, Failure> {
        self.receive(url, progress)?;
        let found = sha256_file(&self.part).map_err(Failure::Final)?;
        if !self.published.has_checksum(&found) {
            self.restart().map_err(Failure::Final)?;
        }
        Ok(found)
    }

    /// Asks one address until it has given everything it has.
    fn receive(&mut self, url: &str, progress: FetchProgress) -> Result<(), Failure> {
        let mut attempts = 0;
        loop {
            let before = self.length().map_err(Failure::Final)?;
            match self.connection(url, before, progress)? {
                Received::Whole => return Ok(()),
                Received::Broken(reason) => {
                    attempts += 1;
                    if attempts == ATTEMPTS || self.length().map_err(Failure::Final)? <= before {
                        return Err(Failure::Here(reason));
                    }
                    tracing::info!("{reason:#}; resuming the download");
                }
            }
        }
    }

    /// One request, for what follows the first `from` bytes.
    fn connection(&mut self, url: &str, from: u64, progress: FetchProgress) -> Result<Received, Failure> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| Failure::Here(self.reason(url, error)))?;
        match response.status() {
            StatusCode::OK => self.restart().map_err(Failure::Final)?, // a server that knows no ranges sends all
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(from) => {}
            StatusCode::PARTIAL_CONTENT => {
                return Err(Failure::Here(anyhow!("{url} returned the wrong byte range")));
            }
            // Nothing follows: the part is whole already, or of another file, which its checksum tells.
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => return Ok(Received::Whole),
            status => return Err(Failure::Here(anyhow!("{url} answered {status}"))),
        }
        let start = self.length().map_err(Failure::Final)?;
        let total = content_length(&response).map(|rest| start + rest);
        self.body(url, response.into_body(), start, total, progress)
    }

    fn body(
        &mut self,
        url: &str,
        body: Body,
        start: u64,
        total: Option<u64>,
        progress: FetchProgress,
    ) -> Result<Received, Failure> {
        let mut reader = body.into_reader();
        let mut buffer = vec![0; 1 << 17];
        let mut length = start;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Received::Broken(self.reason(url, ureq::Error::from(error)))),
            };
            if read == 0 {
                break;
            }
            let written = self.file.write_all(buffer.get(..read).unwrap_or_default());
            written.with_context(|| format!("cannot write '{}'", self.part.display())).map_err(Failure::Final)?;
            length += read as u64;
            progress(length, total).map_err(Failure::Final)?;
        }
        match total {
            Some(total) if length < total => {
                Ok(Received::Broken(anyhow!("{url} closed the connection after {length} of {total} bytes")))
            }
            _ => Ok(Received::Whole),
        }
    }

    /// The part becomes the file.
    fn finish(&self) -> Result<()> {
        let attempt = || -> std::io::Result<()> {
            self.file.sync_all()?;
            fs::rename(&self.part, self.path)
        };
        attempt().with_context(|| format!("cannot write '{}'", self.path.display()))
    }

    /// A sentence for a failed request: ureq's errors also arrive wrapped in those of reading.
    fn reason(&self, url: &str, error: ureq::Error) -> Error {
        match error {
            ureq::Error::HostNotFound => anyhow!("{url} cannot be reached: unknown host (offline?)"),
            ureq::Error::ConnectionFailed => anyhow!("{url} cannot be reached (offline?)"),
            ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
                anyhow!("{url} cannot be reached within {} s (offline?)", self.patience.as_secs_f64())
            }
            ureq::Error::Timeout(_) => anyhow!("{url} sent nothing for {} s", self.patience.as_secs_f64()),
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    anyhow!("{url} cannot be reached (offline?): {error}")
                }
                _ => anyhow!("connection to {url} lost: {error}"),
            },
            error => anyhow!("{url}: {error}"),
        }
    }
}

/// Where the part begins that a server sends.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn content_length(response: &Response<Body>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

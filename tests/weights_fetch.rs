//! Downloads of weights, against a server of the test's own on this machine.

#![allow(clippy::unwrap_used)] // helpers of tests may panic as tests do

use rsic::util::fs::sha256;
use rsic::weights::{FetchOptions, Fetched, Published, fetch};
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the server does with one request.
#[derive(Debug, Clone)]
enum Answer {
    /// The file, or the part that was asked for.
    File(Vec<u8>),
    /// The file from its start, whatever was asked for.
    WithoutRanges(Vec<u8>),
    /// So many bytes of what was asked for, then the connection is closed.
    Cut(Vec<u8>, usize),
    /// So many bytes of what was asked for, then nothing for a minute.
    Stall(Vec<u8>, usize),
    /// Not even a status line, for a minute.
    Silence,
    Status(u16),
}

/// Answers one connection after another as it was told; the last answer is repeated.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let answer = answers[index.min(answers.len() - 1)].clone();
                let seen = seen.clone();
                std::thread::spawn(move || serve(stream.unwrap(), answer, &seen));
            }
        });
        Self { address, requests }
    }

    /// The byte range of each request, or "all".
    fn asked(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, answer: Answer, seen: &Mutex<Vec<String>>) {
    let mut range = None;
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap_or_default().to_lowercase();
        if line.is_empty() {
            break;
        }
        range = line.strip_prefix("range: bytes=").map(str::to_owned).or(range);
    }
    seen.lock().unwrap().push(range.clone().unwrap_or_else(|| "all".into()));
    let start: usize = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
    let (file, sent, pause) = match answer {
        Answer::File(file) => (file, usize::MAX, false),
        Answer::WithoutRanges(file) => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.len());
            let _ = stream.write_all(&file);
            return;
        }
        Answer::Cut(file, sent) => (file, sent, false),
        Answer::Stall(file, sent) => (file, sent, true),
        Answer::Silence => return std::thread::sleep(Duration::from_secs(60)),
        Answer::Status(status) => {
            let _ = write!(stream, "HTTP/1.1 {status} no\r\nContent-Length: 0\r\n\r\n");
            return;
        }
    };
    if start > 0 && start >= file.len() {
        let _ = write!(stream, "HTTP/1.1 416 no\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n", file.len());
        return;
    }
    let (rest, whole) = (&file[start..], file.len());
    let _ = match start {
        0 => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {whole}\r\n\r\n"),
        _ => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{whole}\r\nContent-Length: {}\r\n\r\n",
            whole - 1,
            rest.len()
        ),
    };
    let _ = stream.write_all(&rest[..sent.min(rest.len())]);
    let _ = stream.flush();
    if pause {
        std::thread::sleep(Duration::from_secs(60));
    }
}

const NAME: &str = "net-12345678.pth";

fn content() -> Vec<u8> {
    (0..300_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// An entry of the manifest for `content` at the addresses, with its whole SHA-256 or the first digits.
fn published(servers: &[&Server], content: &[u8], digits: usize) -> Published {
    let urls: Vec<String> = servers.iter().map(|server| format!("{}/{NAME}", server.address)).collect();
    let key = if digits == 64 { "sha256" } else { "sha256_prefix" };
    serde_json::from_value(
        json!({"name": "net", "version": "V1", "mib": 1, key: &sha256(content)[..digits], "urls": urls}),
    )
    .unwrap()
}

fn impatient() -> FetchOptions {
    FetchOptions { patience: Duration::from_millis(400), ..FetchOptions::default() }
}

fn download(published: &Published, folder: &Path) -> Result<Fetched, String> {
    fetch(published, folder, &impatient(), &mut |_, _| Ok(())).map_err(|error| format!("{error:#}"))
}

#[test]
fn a_good_file_is_downloaded_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::File(content())]);
    let published = published(&[&server], &content(), 64);
    let mut told = (0, None);
    let fetched = fetch(&published, &folder.path().join("new"), &impatient(), &mut |done, total| {
        told = (done, total);
        Ok(())
    });
    assert_eq!(fetched.unwrap(), Fetched::Downloaded { resumed_from: 0 });
    assert_eq!(told, (content().len() as u64, Some(content().len() as u64)));
    let path = folder.path().join("new").join(NAME);
    assert!(fs::read(&path).unwrap() == content());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no part stays behind");
    assert_eq!(download(&published, path.parent().unwrap()), Ok(Fetched::Present));
    assert_eq!(server.asked(), ["all"]);
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        Server::start(vec![Answer::Cut(content(), 400_000), Answer::Cut(content(), 5), Answer::File(content())]);
    let published = published(&[&server], &content(), 8);
    assert_eq!(download(&published, folder.path()), Ok(Fetched::Downloaded { resumed_from: 0 }));
    assert!(fs::read(folder.path().join(NAME)).unwrap() == content());
    assert_eq!(server.asked(), ["all", "400000-", "400005-"]);
}

#[test]
fn a_later_call_goes_on_from_the_part_of_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::Cut(content(), 1000), Answer::Status(503), Answer::File(content())]);
    let published = published(&[&server], &content(), 64);
    let error = download(&published, folder.path()).unwrap_err();
    assert!(error.contains("answered 503"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the part");
    assert_eq!(download(&published, folder.path()), Ok(Fetched::Downloaded { resumed_from: 1000 }));
    assert_eq!(server.asked(), ["all", "1000-", "1000-"]);
}

#[test]
fn a_stopped_download_keeps_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::File(content())]);
    let published = published(&[&server], &content(), 64);
    let stopped = fetch(&published, folder.path(), &impatient(), &mut |_, _| anyhow::bail!("interrupted"));
    assert_eq!(stopped.unwrap_err().to_string(), "interrupted");
    let Ok(Fetched::Downloaded { resumed_from }) = download(&published, folder.path()) else { panic!() };
    assert!(resumed_from > 0);
    assert_eq!(server.asked()[1], format!("{resumed_from}-"));
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{NAME}.part")), &content()[..77]).unwrap();
    let server = Server::start(vec![Answer::WithoutRanges(content())]);
    let published = published(&[&server], &content(), 64);
    assert!(download(&published, folder.path()).is_ok());
    assert!(fs::read(folder.path().join(NAME)).unwrap() == content());
}

#[test]
fn a_whole_part_needs_no_byte_more_and_a_foreign_one_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join(format!("{NAME}.part"));
    let server = Server::start(vec![Answer::File(content())]);
    let published = published(&[&server], &content(), 64);
    fs::write(&part, content()).unwrap();
    assert!(download(&published, folder.path()).is_ok());
    fs::remove_file(folder.path().join(NAME)).unwrap();
    fs::write(&part, "of another file").unwrap();
    assert!(download(&published, folder.path()).is_ok());
    assert!(fs::read(folder.path().join(NAME)).unwrap() == content());
    assert_eq!(server.asked(), ["1200000-", "15-", "all"]);
}

#[test]
fn a_wrong_file_is_refused_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::File(b"another file".to_vec())]);
    let error = download(&published(&[&server], &content(), 64), folder.path()).unwrap_err();
    let (found, expected) = (&sha256(b"another file")[..16], &sha256(&content())[..16]);
    assert!(error.contains(&format!("SHA-256 starts with {found}, expected {expected}")), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_next_address_is_asked_where_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    let servers = [
        Server::start(vec![Answer::Status(404)]),
        Server::start(vec![Answer::File(b"wrong".to_vec())]),
        Server::start(vec![Answer::File(content())]),
    ];
    let published = published(&servers.each_ref(), &content(), 64);
    assert_eq!(download(&published, folder.path()), Ok(Fetched::Downloaded { resumed_from: 0 }));
}

#[test]
fn a_missing_file_a_stalled_server_and_no_server_are_one_sentence_each() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |answer: Answer| {
        let (server, start) = (Server::start(vec![answer]), Instant::now());
        let error = download(&published(&[&server], &content(), 64), folder.path()).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10), "{error}");
        assert!(!error.contains('\n') && error.contains("--mirror URL"), "{error}");
        error
    };
    assert!(fault(Answer::Status(404)).contains("answered 404 Not Found"));
    let silent = fault(Answer::Silence);
    assert!(silent.contains("sent nothing for 0.4 s"), "{silent}");
    let stalled = fault(Answer::Stall(content(), 1000));
    assert!(stalled.contains("sent nothing for 0.4 s"), "{stalled}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // closed again at once
    let offline = Server { address: format!("http://{nobody}"), requests: Arc::default() };
    let error = download(&published(&[&offline], &content(), 64), folder.path()).unwrap_err();
    assert!(error.contains("cannot be reached (offline?)") && error.contains(&format!("{NAME}'")), "{error}");
}

#[test]
fn two_downloads_of_one_file_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Answer::Stall(content(), 1000), Answer::File(content())]);
    let published = published(&[&server], &content(), 64);
    let mut second = None;
    let _ = fetch(&published, folder.path(), &impatient(), &mut |_, _| {
        second.get_or_insert_with(|| download(&published, folder.path()));
        Ok(())
    });
    assert!(second.unwrap().unwrap_err().contains("another process is downloading"));
}

fn rsic(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rsic"));
    let done = command.args(["weights", "fetch"]).args(arguments).env("NO_PROXY", "127.0.0.1").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn the_command_lists_and_downloads_from_a_mirror_and_says_what_failed() {
    let (code, listed, _) = rsic(&[]);
    assert_eq!(code, Some(0));
    assert!(listed.contains("resnet101          V2         171 MiB  resnet101-cd907fc2.pth"), "{listed}");
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().to_str().unwrap();
    let server = Server::start(vec![Answer::File(content())]);
    let mirror = ["--output", output, "--timeout", "1", "--mirror", &server.address];
    let (code, _, error) = rsic(&[&["resnet50"], &mirror[..]].concat());
    assert_eq!(code, Some(2));
    assert!(error.contains("expected 0676ba61") && error.trim_end().lines().count() == 1, "{error}");
    let (code, said, error) = rsic(&[&["resnet50", "resnet50:V2"], &mirror[..]].concat());
    assert_eq!((code, said.trim()), (Some(1), "2 files, 2 failed"), "{error}");
    assert!(error.contains("expected 11ad3fa6"), "{error}");
    let (code, _, error) = rsic(&[&["resnet50", "resnet5"], &mirror[..]].concat());
    assert_eq!(code, Some(2));
    assert!(error.contains("did you mean 'resnet50'?"), "{error}");
}

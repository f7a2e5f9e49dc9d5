//! Messages: for people on standard error, and as text and JSON lines in run folders; progress bars beside them.
//!
//! What a message says stands in its text; its fields are for programs and go to the JSON forms (and to the text of
//! debug messages).

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{Directive, dynamic_filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Registry};

/// Progress is told in plain lines so often where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
static SHOW_BARS: AtomicBool = AtomicBool::new(false);
static RUN: Mutex<Option<RunFiles>> = Mutex::new(None);
static RUN_ATTACHED: AtomicBool = AtomicBool::new(false);

/// Target of the message that ends the program, which is said whatever the levels are.
pub const FATAL: &str = "rsic_fatal";

/// What is said on standard error, and in which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Messages {
    /// Errors only.
    pub quiet: bool,
    /// 1: debug messages of this program; 2: everything.
    pub verbose: u8,
    /// JSON lines in place of text.
    pub json: bool,
}

/// Sets up messages for the process; later calls change nothing.
///
/// The level on standard error is that of `-v` and `-q`, else of `RSIC_LOG` (`debug`, `rsic::train=trace`, ...), else
/// info.
pub fn init(messages: &Messages) -> Result<()> {
    let filter = match (messages.quiet, messages.verbose, std::env::var("RSIC_LOG")) {
        (true, ..) => EnvFilter::new("error"),
        (_, 1, _) => EnvFilter::new("warn,rsic=debug"),
        (_, 2.., _) => EnvFilter::new("trace"),
        (_, 0, Ok(given)) if !given.is_empty() => EnvFilter::try_new(&given)
            .with_context(|| format!("RSIC_LOG is '{given}'; write a level such as info or debug, or module=level"))?,
        _ => EnvFilter::new("warn,rsic=info"),
    };
    let filter = filter.add_directive(Directive::from_str(&format!("{FATAL}=error"))?);
    let terminal = io::stderr().is_terminal();
    let text = !messages.json;
    SHOW_BARS.store(terminal && text && !messages.quiet, Ordering::Relaxed);
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let stderr = tracing_subscriber::fmt::layer::<Registry>().with_writer(|| StandardError);
    let stderr = match text {
        true => stderr.with_ansi(colour).event_format(Text { time: false }).with_filter(filter).boxed(),
        false => stderr.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let log_text = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(Text { time: true })
        .with_writer(|| RunWriter(Form::Text))
        .with_filter(while_attached())
        .boxed();
    let log_json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(|| RunWriter(Form::Json))
        .with_filter(while_attached())
        .boxed();
    // An error means that messages are set up already.
    let _ = tracing_subscriber::registry().with(vec![stderr, log_text, log_json]).try_init();
    Ok(())
}

/// Run folders take our debug messages and everybody's information, but only while one is attached.
fn while_attached() -> impl Filter<Registry> {
    dynamic_filter_fn(|metadata, _| {
        let wanted = if metadata.target().starts_with("rsic") { Level::DEBUG } else { Level::INFO };
        *metadata.level() <= wanted && RUN_ATTACHED.load(Ordering::Relaxed)
    })
    .with_max_level_hint(LevelFilter::DEBUG)
}

/// Messages also go to `log.txt` and `log.jsonl` of a run folder for as long as this lives. One folder at a time: the
/// latest one attached.
#[derive(Debug)]
#[must_use = "messages go to the run folder only while this lives"]
pub struct RunLog(());

/// Appends every message from now on, debug ones too, to `log.txt` (text) and `log.jsonl` (JSON lines) in `folder`.
pub fn attach_run(folder: &Path) -> Result<RunLog> {
    let open = |name: &str| {
        let path = folder.join(name);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.with_context(|| format!("cannot write '{}'", path.display()))
    };
    let files = RunFiles { text: open("log.txt")?, json: open("log.jsonl")? };
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
    RUN_ATTACHED.store(true, Ordering::Relaxed);
    Ok(RunLog(()))
}

impl Drop for RunLog {
    fn drop(&mut self) {
        RUN_ATTACHED.store(false, Ordering::Relaxed);
        *RUN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[derive(Debug)]
struct RunFiles {
    text: File,
    json: File,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Json,
}

struct RunWriter(Form);

impl Write for RunWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(files) = RUN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let file = match self.0 {
                Form::Text => &mut files.text,
                Form::Json => &mut files.json,
            };
            // A log that cannot be written (full disk) must not end the run.
            let _ = file.write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard error, with the progress bars out of the way while a line is written.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().lock().write_all(line);
        let _ = if SHOW_BARS.load(Ordering::Relaxed) { BARS.suspend(write) } else { write() };
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line a message: its text after `warning:` or `error:`, or after time and level where `time` is set.
struct Text {
    time: bool,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        if self.time {
            SystemTime.format_time(&mut writer)?;
            write!(writer, " {level:>5} ")?;
        } else {
            let (word, colour) = match level {
                Level::ERROR => ("error: ", "31"),
                Level::WARN => ("warning: ", "33"),
                Level::INFO => ("", "0"),
                Level::DEBUG => ("debug: ", "2"),
                Level::TRACE => ("trace: ", "2"),
            };
            match writer.has_ansi_escapes() && !word.is_empty() {
                true => write!(writer, "\x1b[{colour}m{word}\x1b[0m")?,
                false => writer.write_str(word)?,
            }
        }
        let mut parts = Parts::default();
        event.record(&mut parts);
        writer.write_str(&harmless(&parts.message))?;
        if level >= Level::DEBUG || parts.message.is_empty() {
            writer.write_str(&parts.fields)?;
        }
        writeln!(writer)
    }
}

/// A message whose names of files and words of captions cannot drive a terminal.
fn harmless(message: &str) -> Cow<'_, str> {
    let drives = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !message.contains(drives) {
        return Cow::Borrowed(message);
    }
    message.chars().map(|c| if drives(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// How far a long piece of work is: a bar on a terminal, else a plain line every few seconds.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    label: String,
    started: Instant,
    /// The step at the start: continued work has done some before.
    first: OnceLock<u64>,
    lines: Option<Mutex<Instant>>,
}

/// Starts to show the progress of `length` steps.
pub fn progress(length: usize, label: &str) -> Bar {
    let length = length as u64;
    let shown = SHOW_BARS.load(Ordering::Relaxed);
    let bar = match shown {
        true => BARS.add(ProgressBar::new(length)),
        false => ProgressBar::hidden(),
    };
    bar.set_length(length);
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len}  {per_sec}  {eta} left  {msg}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(label.to_string());
    let now = Instant::now();
    Bar { bar, label: label.into(), started: now, first: OnceLock::new(), lines: (!shown).then(|| Mutex::new(now)) }
}

impl Bar {
    /// Goes on by some steps.
    pub fn advance(&self, steps: usize) {
        self.bar.inc(steps as u64);
        self.maybe_line();
    }

    /// Stands at a step; the first one told is where the work began.
    pub fn set(&self, step: usize) {
        let step = step as u64;
        self.bar.set_position(step);
        if self.first.set(step).is_ok() {
            self.bar.reset_eta();
        }
        self.maybe_line();
    }

    /// Shows a few words behind the bar.
    pub fn message(&self, text: &str) {
        self.bar.set_message(text.to_string());
    }

    fn maybe_line(&self) {
        let Some(last) = &self.lines else { return };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < LINE_INTERVAL {
            return;
        }
        *last = Instant::now();
        drop(last);
        let (done, length) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let (label, message) = (&self.label, self.bar.message());
        let since = done.saturating_sub(self.first.get().copied().unwrap_or(0));
        let rate = (since > 0).then(|| since as f64 / self.started.elapsed().as_secs_f64().max(1e-9));
        let left = length.saturating_sub(done) as f64;
        let pace = rate.map_or_else(String::new, |rate| format!("  {rate:.1}/s  {:.0} s left", left / rate));
        tracing::info!(done, length, rate, "{label} {done}/{length}{pace}  {message}");
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        let (done, length) = (self.bar.position(), self.bar.length().unwrap_or(0));
        tracing::debug!("{} {done}/{length} in {seconds:.1} s", self.label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folder_gets_text_and_json_lines_while_it_is_attached() {
        init(&Messages { quiet: true, ..Messages::default() }).unwrap();
        init(&Messages { quiet: true, json: true, ..Messages::default() }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tracing::info!("before");
        let log = attach_run(folder.path()).unwrap();
        tracing::info!(epoch = 3, loss = 0.5, "epoch 3 of 5");
        tracing::debug!(rate = 2, "detail");
        drop(log);
        tracing::info!("after");
        let again = attach_run(folder.path()).unwrap();
        tracing::warn!("continued");
        drop(again);
        let text = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
        let own = ["epoch 3 of 5", "detail rate=2", "continued"];
        let lines: Vec<&str> = text.lines().filter(|line| own.iter().any(|message| line.ends_with(message))).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(!text.contains("before") && !text.contains("after"), "{text}");
        let json = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
        let epoch = json.lines().find(|line| line.contains("epoch 3 of 5")).unwrap();
        let epoch: serde_json::Value = serde_json::from_str(epoch).unwrap();
        assert_eq!((epoch["epoch"].as_u64(), epoch["loss"].as_f64()), (Some(3), Some(0.5)));
        assert!(attach_run(&folder.path().join("gone")).is_err());
    }

    #[test]
    fn messages_hold_no_escapes_of_terminals() {
        assert_eq!(harmless("'\u{1b}[31m.png'\n\tnext é"), "'\\u{1b}[31m.png'\n\tnext é");
    }

    #[test]
    fn progress_counts_without_a_terminal() {
        let progress = progress(10, "images");
        progress.advance(3);
        progress.set(7);
        progress.message("x");
        assert_eq!(progress.bar.position(), 7);
        assert!(progress.bar.is_hidden());
    }
}

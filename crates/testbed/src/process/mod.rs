//! Real programs under test, with their log, their signals and what they use of the machine.
//!
//! What a process writes to stdout and stderr goes straight to a file: nothing of the test stands between, so a
//! busy test never slows the process down, and the last line before a SIGKILL is there.

mod builder;
mod child;
mod log;
mod usage;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;

pub use builder::ProcessBuilder;
pub use usage::raise_descriptor_limit;

use crate::eventually::eventually;
use crate::folder::Folder;
use child::Child;
use log::Log;

/// Bound on a process's reaction to a signal it cannot refuse.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(30);

/// A running or ended program. Dropping it kills it; if the test is panicking, the end of its log is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    // Before the folder, so that the process has ended when its folder is removed.
    child: Child,
    log: Log,
    _own_folder: Option<Folder>,
}

impl Process {
    /// Describes a process to start. `name` is what messages and its log file call it, e.g. `ingress-1`; a
    /// `program` without a slash is looked up on `PATH`.
    pub fn builder(name: impl Into<String>, program: impl AsRef<OsStr>) -> ProcessBuilder {
        ProcessBuilder::new(name.into(), program.as_ref())
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id; after its end the id may be another's.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// How it ended; `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.exit_status()
    }

    /// Waits for it to end; an error with the end of its log if that takes longer than `timeout`.
    pub async fn wait_exit(&self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        self.child.wait(timeout).await.with_context(|| {
            format!(
                "{} still runs after {timeout:?}; the end of its log:\n{}",
                self.name,
                self.log_tail()
            )
        })
    }

    /// Sends a signal; an error if the process has ended.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let sent = self
            .child
            .signal(signal)
            .with_context(|| format!("could not signal {}", self.name))?;
        ensure!(sent, "{} has ended: {:?}", self.name, self.exit_status());
        Ok(())
    }

    /// Sends SIGTERM. It does not wait: see [`wait_exit`](Self::wait_exit).
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Sends SIGKILL and waits until the process is gone.
    pub async fn kill(&self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGKILL)?;
        self.wait_exit(SIGNAL_TIMEOUT).await
    }

    /// Sends SIGSTOP and waits until every thread stands still.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        eventually(SIGNAL_TIMEOUT, async || {
            for thread in self.proc()?.tasks()? {
                let state = thread?.stat()?.state;
                ensure!(
                    state == 'T',
                    "a thread of {} is in state {state}",
                    self.name
                );
            }
            Ok(())
        })
        .await
    }

    /// Sends SIGCONT: the process goes on where it was frozen.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// All it logged; of a log over 8 MiB the end.
    pub fn log(&self) -> String {
        self.log.after(0)
    }

    /// How long its log is now, in bytes: the place from which [`wait_for_log_after`](Self::wait_for_log_after)
    /// sees only what is new.
    pub fn log_len(&self) -> u64 {
        self.log.len()
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// Waits until a line of its log contains `text` and returns the first such line. It also looks at what was
    /// logged before the call. An error if the process ends first, or after `timeout`, with the end of the log.
    pub async fn wait_for_log(&self, text: &str, timeout: Duration) -> anyhow::Result<String> {
        self.wait_for_log_after(0, text, timeout).await
    }

    /// As [`wait_for_log`](Self::wait_for_log), from a place in the log that [`log_len`](Self::log_len) gave.
    pub async fn wait_for_log_after(
        &self,
        place: u64,
        text: &str,
        timeout: Duration,
    ) -> anyhow::Result<String> {
        let found = eventually(timeout, async || {
            // Asked first: what an ended process has logged by then is all there will be.
            let ended = self.exit_status();
            let log = self.log.after(place);
            let line = log
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned);
            ensure!(line.is_some() || ended.is_some(), "it runs");
            Ok(line)
        });
        let line = found.await.and_then(|line| {
            line.with_context(|| {
                format!("it ended with {}", self.exit_status().unwrap_or_default())
            })
        });
        line.with_context(|| {
            let tail = self.log.tail();
            format!(
                "{} did not log {text:?}; the end of its log:\n{tail}",
                self.name
            )
        })
    }

    pub(crate) fn log_tail(&self) -> String {
        self.log.tail()
    }
}

impl Drop for Process {
    #[allow(
        clippy::print_stderr,
        reason = "the test runner shows what a failing test printed"
    )]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "--- the end of {}'s log ---\n{}\n---",
                self.name,
                self.log_tail()
            );
        }
    }
}

//! Real programs under test, with their log, their signals and what they use of the machine.
//!
//! What a process writes to stdout and stderr goes straight to a file: nothing of the test stands between, so a
//! busy test never slows the process down, and the last line before a SIGKILL is there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;

use crate::child::Child;
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::program::find_program;

/// The only settings a process inherits. Anything else could change what a service does from machine to machine.
const INHERITED: [&str; 6] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
];
/// How much of its log one look at a process reads, from the end.
const LOG_READ: u64 = 8 << 20;
/// How many lines of log an error or a panic shows.
const LOG_TAIL: usize = 40;
/// Bound on a process's reaction to a signal it cannot refuse.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(30);

/// What to start, and how.
#[derive(Debug)]
#[must_use]
pub struct ProcessBuilder {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    folder: Option<PathBuf>,
}

impl ProcessBuilder {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable; the last value given to a name counts.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets several environment variables.
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.env.extend(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// Puts the log, `NAME.log`, in this folder, which is the working folder too. An existing log is continued.
    /// Without this the process has a temporary folder of its own.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Starts the program.
    pub fn spawn(self) -> anyhow::Result<Process> {
        let program = find_program(&self.program)
            .with_context(|| format!("no such program: {}", self.program.display()))?;
        // It is started in another folder.
        let program = std::path::absolute(program)?;
        let own_folder = if self.folder.is_none() {
            Some(Folder::new(&self.name)?)
        } else {
            None
        };
        let folder = self
            .folder
            .as_deref()
            .or(own_folder.as_ref().map(Folder::path))
            .unwrap_or(Path::new("."));
        let log_path = folder.join(format!("{}.log", self.name));
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .with_context(|| format!("could not open {}", log_path.display()))?;

        let mut command = die_with_parent(&program);
        command
            .args(&self.args)
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .envs(&self.env)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = Child::spawn(command)
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Process {
            name: self.name,
            child,
            log_path,
            _own_folder: own_folder,
        })
    }
}

/// A running or ended program. Dropping it kills it; if the test is panicking, the end of its log is printed.
#[derive(Debug)]
pub struct Process {
    name: String,
    // Before the folder, so that the process has ended when its folder is removed.
    child: Child,
    log_path: PathBuf,
    _own_folder: Option<Folder>,
}

impl Process {
    /// Describes a process to start. `name` is what messages and its log file call it, e.g. `ingress-1`; a
    /// `program` without a slash is looked up on `PATH`.
    pub fn builder(name: impl Into<String>, program: impl AsRef<OsStr>) -> ProcessBuilder {
        let program = PathBuf::from(program.as_ref());
        ProcessBuilder {
            name: name.into(),
            program,
            args: Vec::new(),
            env: BTreeMap::new(),
            folder: None,
        }
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
        self.log_after(0)
    }

    /// How long its log is now, in bytes: the place from which [`wait_for_log_after`](Self::wait_for_log_after)
    /// sees only what is new.
    pub fn log_len(&self) -> u64 {
        fs::metadata(&self.log_path).map_or(0, |log| log.len())
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.log_path
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
        let line = eventually(timeout, async || {
            // The order matters: what an ended process logged is all there is.
            let ended = self.exit_status();
            match (
                self.log_after(place)
                    .lines()
                    .find(|line| line.contains(text)),
                ended,
            ) {
                (Some(line), _) => Ok(Ok(line.to_owned())),
                (None, Some(status)) => Ok(Err(format!("{} ended ({status})", self.name))),
                (None, None) => bail!("{} runs", self.name),
            }
        })
        .await
        .map_err(|error| format!("{error:#}"))
        .flatten();
        line.map_err(|why| {
            anyhow::anyhow!(
                "{why} without logging {text:?}; the end of its log:\n{}",
                self.log_tail()
            )
        })
    }

    /// Its resident memory in bytes.
    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        let kib = self
            .proc()?
            .status()?
            .vmrss
            .with_context(|| format!("{} has ended", self.name))?;
        Ok(kib * 1024)
    }

    /// How many file descriptors it has open.
    pub fn open_fds(&self) -> anyhow::Result<usize> {
        Ok(self.proc()?.fd_count()?)
    }

    /// How many threads it has.
    pub fn threads(&self) -> anyhow::Result<u64> {
        Ok(self.proc()?.status()?.threads)
    }

    /// The processor time it has used, in user mode and in the kernel, to the system's tick (usually 10 ms).
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = self.proc()?.stat()?;
        let ticks = (stat.utime + stat.stime) as f64;
        Ok(Duration::from_secs_f64(
            ticks / procfs::ticks_per_second() as f64,
        ))
    }

    fn proc(&self) -> anyhow::Result<procfs::process::Process> {
        ensure!(self.exit_status().is_none(), "{} has ended", self.name);
        Ok(procfs::process::Process::new(self.pid().cast_signed())?)
    }

    fn log_after(&self, place: u64) -> String {
        let read = || {
            let mut log = File::open(&self.log_path)?;
            let start = place.max(log.metadata()?.len().saturating_sub(LOG_READ));
            log.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            log.take(LOG_READ).read_to_end(&mut bytes)?;
            std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read()
            .unwrap_or_else(|error| format!("could not read {}: {error}", self.log_path.display()))
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
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

/// A command for `program` that the kernel kills when the test process ends, however it ends.
///
/// The program stays in the test's process group, so that a runner that kills the group on a time limit reaches
/// it, too. Where `setpriv` (util-linux) is missing, that is all there is.
fn die_with_parent(program: &Path) -> Command {
    match find_program("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

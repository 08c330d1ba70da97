//! A test that runs itself again as another process: the same function plays both roles.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::ops::{Deref, DerefMut};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ROLE: &str = "COMMON_TEST_ROLE";

/// The role that this process should play; `None` in the test itself.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// This process again, in a role, running nothing but the test with this path. Its standard output is a pipe.
pub(crate) fn spawn(test: &str, role: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Child(command.spawn().unwrap())
}

/// A process that is killed at the end of the test, if it is still there.
pub(crate) struct Child(std::process::Child);

impl Child {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    pub(crate) fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        let stdout: ChildStdout = self.0.stdout.take().unwrap();
        BufReader::new(stdout).lines().map(Result::unwrap)
    }

    /// Waits for the end, which the child reaches by itself in every role.
    pub(crate) fn status(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Deref for Child {
    type Target = std::process::Child;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Child {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says on standard output what happened, at once and without the test harness in between.
pub(crate) fn say(word: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{word}").unwrap();
    stdout.flush().unwrap();
}

/// Ends a child that would hang otherwise, so that its test fails instead.
pub(crate) fn give_up_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        std::process::exit(99);
    });
}

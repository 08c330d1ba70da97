//! One child process that never outlives the test, and whose process id is never mistaken for another's.
//!
//! Each child has a thread that starts it, waits for its end and reaps it. That thread has two uses. The kernel's
//! parent-death signal, set through `setpriv`, is sent when the *thread* that started the child ends, so the
//! starter must live as long as the child does: a tokio worker need not. And the child is reaped while the exit
//! status is locked, so whoever sees no status under that lock can signal the id: it is still the child's, at
//! worst as a zombie.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::watch;

/// A running or ended child process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    exit: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts `command`. Returns once the operating system has made the process, or refused to.
    pub(crate) fn spawn(command: Command) -> io::Result<Self> {
        let (started, start) = mpsc::sync_channel(1);
        let (exited, exit) = watch::channel(None);
        let reaper = thread::Builder::new()
            .name("reaper".into())
            .spawn(move || run(command, &started, &exited))?;
        let pid = start.recv().map_err(io::Error::other)??;
        Ok(Self {
            pid,
            exit,
            reaper: Some(reaper),
        })
    }

    /// The process id, also after the end.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// How it ended, if it has.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Sends `signal`; `false` if the process has ended already.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        // The borrow is the lock under which the reaper would set the status and free the id.
        let exit = self.exit.borrow();
        if exit.is_some() {
            return Ok(false);
        }
        kill(self.pid, signal)?;
        Ok(true)
    }

    /// Waits for the end; `None` if that takes longer than `timeout`.
    pub(crate) async fn wait(&self, timeout: Duration) -> Option<ExitStatus> {
        let mut exit = self.exit.clone();
        let ended = tokio::time::timeout(timeout, exit.wait_for(Option::is_some)).await;
        ended.ok()?.ok().and_then(|status| *status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing is left to do if either fails: the process is gone, or was never ours to kill.
        let _ = self.signal(Signal::SIGKILL);
        if let Some(reaper) = self.reaper.take() {
            let _ = reaper.join();
        }
    }
}

fn run(
    mut command: Command,
    started: &mpsc::SyncSender<io::Result<Pid>>,
    exited: &watch::Sender<Option<ExitStatus>>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let pid = Pid::from_raw(child.id().cast_signed());
    let _ = started.send(Ok(pid));
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    // The child is a zombie now, so this neither waits nor fails.
    exited.send_modify(|exit| *exit = Some(child.wait().unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::spawn(command).unwrap()
    }

    #[tokio::test]
    async fn tells_how_it_ended() {
        let child = shell("exit 7");
        assert_eq!(child.wait(LONG).await.unwrap().code(), Some(7));
        assert_eq!(child.exit_status().unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_signal_reaches_it_only_while_it_lives() {
        let child = shell("exec sleep 1000");
        assert_eq!(child.exit_status(), None);
        assert!(child.signal(Signal::SIGTERM).unwrap());
        assert_eq!(
            child.wait(LONG).await.unwrap().signal(),
            Some(Signal::SIGTERM as i32)
        );
        assert!(!child.signal(Signal::SIGTERM).unwrap());
    }

    #[tokio::test]
    async fn waiting_has_a_bound() {
        let child = shell("exec sleep 1000");
        assert_eq!(child.wait(Duration::from_millis(1)).await, None);
    }

    #[test]
    fn dropping_kills_and_reaps() {
        let child = shell("trap '' TERM INT HUP; exec sleep 1000");
        let process = format!("/proc/{}", child.pid());
        assert!(Path::new(&process).exists());
        drop(child);
        assert!(!Path::new(&process).exists());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = Child::spawn(Command::new("/no/such/program")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use super::Process;

/// Lets this process, the test itself, have as many descriptors open as the system allows it, and returns how many
/// that are. Tests with thousands of connections need it.
pub fn raise_descriptor_limit() -> anyhow::Result<u64> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(most)
}

/// What it uses of the machine. All of these are errors once it has ended.
impl Process {
    /// Its resident memory in bytes.
    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        let kib = self
            .proc()?
            .status()?
            .vmrss
            .with_context(|| format!("{} has ended", self.name))?;
        Ok(kib * 1024)
    }

    /// The most resident memory in bytes that it ever had.
    pub fn peak_rss_bytes(&self) -> anyhow::Result<u64> {
        let kib = self
            .proc()?
            .status()?
            .vmhwm
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

    /// The processor time that all its threads, ended ones included, have used so far, in user mode and in the kernel.
    /// The clock counts nanoseconds, where `/proc` has ticks of 10 ms.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        self.ensure_runs()?;
        let clock = clock_getcpuclockid(Pid::from_raw(self.pid().cast_signed()))?;
        Ok(clock_gettime(clock)?.into())
    }

    pub(super) fn proc(&self) -> anyhow::Result<procfs::process::Process> {
        self.ensure_runs()?;
        Ok(procfs::process::Process::new(self.pid().cast_signed())?)
    }

    fn ensure_runs(&self) -> anyhow::Result<()> {
        ensure!(self.exit_status().is_none(), "{} has ended", self.name);
        Ok(())
    }
}

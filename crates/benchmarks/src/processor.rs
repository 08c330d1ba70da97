//! The processor time of a process, as finely as the kernel counts it.

use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use testbed::Process;

/// Seconds that all threads of a process, ended ones included, have run so far. `/proc` has the same in ticks of 10 ms.
pub(crate) fn time(process: &Process) -> anyhow::Result<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.pid().cast_signed()))?;
    Ok(Duration::from(clock_gettime(clock)?).as_secs_f64())
}

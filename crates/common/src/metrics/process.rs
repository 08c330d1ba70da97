//! What Linux knows of this process, under the names that Prometheus client libraries agree on.
//!
//! The `prometheus` crate has such a collector, but it counts CPU time in whole seconds, which hides what an idle
//! service uses.

use procfs::process::{LimitValue, Process, Stat};
use prometheus::{Error, Opts, Registry};

use super::{register_counter, register_gauge};

pub(super) fn register(registry: &Registry) -> Result<(), Error> {
    let gauge = |name, help, read: fn() -> Option<f64>| {
        register_gauge(registry, Opts::new(name, help), move || {
            read().unwrap_or(f64::NAN)
        })
    };
    register_counter(
        registry,
        Opts::new(
            "process_cpu_seconds_total",
            "Time that the process has run on a CPU, in user and system mode.",
        ),
        || cpu_seconds().unwrap_or(f64::NAN),
    )?;
    gauge(
        "process_resident_memory_bytes",
        "Memory of the process that is in RAM.",
        resident_memory_bytes,
    )?;
    gauge(
        "process_virtual_memory_bytes",
        "Address space of the process.",
        virtual_memory_bytes,
    )?;
    gauge(
        "process_open_fds",
        "File descriptors that are open.",
        open_fds,
    )?;
    gauge(
        "process_max_fds",
        "File descriptors that may be open at most.",
        max_fds,
    )?;
    gauge("process_threads", "Threads of the process.", threads)?;
    gauge(
        "process_start_time_seconds",
        "When the process started, in Unix time.",
        start_time_seconds,
    )
}

fn stat() -> Option<Stat> {
    Process::myself().ok()?.stat().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

fn resident_memory_bytes() -> Option<f64> {
    Some((stat()?.rss * procfs::page_size()) as f64)
}

fn virtual_memory_bytes() -> Option<f64> {
    Some(stat()?.vsize as f64)
}

fn open_fds() -> Option<f64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the directory that was just read.
    Some(open.saturating_sub(1) as f64)
}

fn max_fds() -> Option<f64> {
    match Process::myself()
        .ok()?
        .limits()
        .ok()?
        .max_open_files
        .soft_limit
    {
        LimitValue::Value(limit) => Some(limit as f64),
        LimitValue::Unlimited => Some(f64::INFINITY),
    }
}

fn threads() -> Option<f64> {
    Some(stat()?.num_threads as f64)
}

fn start_time_seconds() -> Option<f64> {
    let since_boot = stat()?.starttime as f64 / procfs::ticks_per_second() as f64;
    Some(procfs::boot_time_secs().ok()? as f64 + since_boot)
}

//! What figures were measured on, in words for people.

use std::{env, fs, thread};

/// Processors and system.
pub fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    format!(
        "{} cores, {}, {}",
        thread::available_parallelism().map_or(0, |cores| cores.get()),
        model.unwrap_or("unknown").trim(),
        env::consts::OS,
    )
}

/// How busy the machine was in the last 1, 5 and 15 minutes.
pub fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

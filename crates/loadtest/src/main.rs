//! The `loadtest` binary: reads its command line, hands over to [`loadtest::run`], and turns the verdict into an exit
//! code.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use loadtest::{Invocation, Refusal, Report, RunError, Stop};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_READY: u8 = 3;

fn main() -> ExitCode {
    let invocation = match loadtest::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(Refusal::Answer(text)) => {
            return print(&text).map_or_else(|error| fail(FAILED, &error), |()| ExitCode::SUCCESS);
        }
        Err(Refusal::Usage(text)) => return fail(USAGE, &text),
    };
    for (flag, path) in [("--json", &invocation.json), ("--html", &invocation.html)] {
        if let Some(Err(error)) = path.as_deref().map(try_open) {
            return fail(USAGE, &format!("{flag} cannot be written: {error}"));
        }
    }
    raise_open_files_limit();
    match load(&invocation) {
        Ok(report) => match deliver(&invocation, &report) {
            Ok(()) if report.verdict.passed => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(FAILED),
            Err(error) => fail(FAILED, &format!("the report could not be written: {error}")),
        },
        Err(Failure::Run(error @ RunError::Stopped)) => fail(FAILED, &error),
        Err(Failure::Run(error)) => fail(NOT_READY, &error),
        Err(Failure::Machine(error)) => fail(FAILED, &error),
    }
}

enum Failure {
    Run(RunError),
    Machine(io::Error),
}

/// One thread is enough, and leaves the other cores to what is measured. The bound on blocking threads, which resolve
/// names, keeps a burst of new connections from being a burst of threads.
fn load(invocation: &Invocation) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(Failure::Machine)?;
    runtime.block_on(async {
        let stop = Stop::on_signals().map_err(Failure::Machine)?;
        loadtest::run(invocation.options.clone(), stop)
            .await
            .map_err(Failure::Run)
    })
}

fn deliver(invocation: &Invocation, report: &Report) -> io::Result<()> {
    if let Some(path) = &invocation.json {
        File::create(path)?.write_all(report.to_json().as_bytes())?;
    }
    if let Some(path) = &invocation.html {
        File::create(path)?.write_all(report.to_html().as_bytes())?;
    }
    print(&report.to_text())
}

/// Finds out before the run, not after it, that a file cannot be written; what is in it stays until then.
fn try_open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Each request in flight is an open file, and the limit that shells start with is low.
fn raise_open_files_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it cannot be raised, connections that do not fit fail one by one and are reported so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn print(text: &str) -> io::Result<()> {
    io::stdout().write_all(text.as_bytes())
}

fn fail(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    // Whoever closed stderr still gets the exit code.
    let _ = writeln!(io::stderr(), "loadtest: {reason}");
    ExitCode::from(code)
}

//! The process around a service: logs, signals, runtime, exit code.

use std::{error::Error, future::Future, io, process::ExitCode};

use common::{metrics, shutdown::Shutdown, telemetry, trace::Tracer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use prometheus::Registry;
use tokio::runtime::{Builder, Runtime};

use crate::{BindError, otlp, settings};

/// Why a service ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A setting that only the engine could judge: one line that names the variable. Exit code 2.
    #[error("{0}")]
    Setting(String),
    /// Anything else. Exit code 1.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

impl From<streams::ConfigError> for ServiceError {
    fn from(error: streams::ConfigError) -> Self {
        Self::Setting(settings::refused_by_engine(&error))
    }
}

impl From<BindError> for ServiceError {
    fn from(error: BindError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<prometheus::Error> for ServiceError {
    fn from(error: prometheus::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What the process hands to the service in it.
#[derive(Debug)]
pub struct Process {
    /// Where metrics go; what every process has is registered.
    pub registry: Registry,
    /// Tells when to leave.
    pub shutdown: Shutdown,
    /// Records spans, where the settings say so.
    pub tracer: Tracer,
}

/// What a process is set up by.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The service's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What is logged.
    pub log: settings::Log,
    /// What is recorded of requests.
    pub traces: settings::Traces,
    /// How many threads serve.
    pub threads: u32,
}

/// Runs a service to its end: sets up logs, traces and signals, and serves.
///
/// With one thread everything runs on the calling one. No work moves between cores then, which costs
/// markedly less CPU per request; more cores are better used by more processes.
pub fn run_process<F>(setup: &Setup, service: impl FnOnce(Process) -> F) -> ExitCode
where
    F: Future<Output = Result<(), ServiceError>>,
{
    let &Setup { name, version, .. } = setup;
    let failed = |error: Box<dyn Error + Send + Sync>| ServiceError::Failed(error);
    let result = telemetry::init(setup.log.log_format, &setup.log.rust_log)
        .map_err(|error| failed(error.into()))
        .and_then(|logs| {
            let registry = metrics::registry(name, version)?;
            logs.register_metrics(&registry)?;
            tracing::info!(service = name, version, "starting");
            raise_descriptor_limit();
            // Ends after the runtime: what its last tasks record goes out as well.
            let (tracer, _exporting) = otlp::start(&setup.traces, name, version, &registry)?;
            let shutdown = Shutdown::on_signals().map_err(|error| failed(error.into()))?;
            let runtime = runtime(setup.threads).map_err(|error| failed(error.into()))?;
            let process = Process {
                registry,
                shutdown,
                tracer,
            };
            runtime.block_on(service(process))
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_code(name, &error),
    }
}

/// Lets the process have as many descriptors as it is allowed: the usual soft limit of 1024 is a fraction of
/// the connections that a service may have. Where that fails, accepting backs off at the limit there is.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        Ok((soft, hard))
    });
    match raised {
        Ok((from, to)) if from < to => tracing::debug!(from, to, "raised the descriptor limit"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the descriptor limit cannot be raised"),
    }
}

fn runtime(threads: u32) -> io::Result<Runtime> {
    if threads > 1 {
        Builder::new_multi_thread()
            .worker_threads(threads as usize)
            .enable_all()
            .build()
    } else {
        Builder::new_current_thread().enable_all().build()
    }
}

/// Standard error and not the log: whoever starts the process sees it even where the log goes elsewhere.
#[allow(
    clippy::print_stderr,
    reason = "the last words of a process that cannot start"
)]
fn exit_code(name: &str, error: &ServiceError) -> ExitCode {
    match error {
        ServiceError::Setting(line) => {
            eprintln!("{line}");
            ExitCode::from(2)
        }
        ServiceError::Failed(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

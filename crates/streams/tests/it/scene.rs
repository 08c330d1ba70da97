//! A client and a worker on one Redis, watched while something goes wrong with it.

use std::{collections::BTreeMap, time::Duration};

use prometheus::Registry;
use streams::{Client, ClientConfig, Fault, NotReady, Options, RequestError, WorkerConfig};
use testbed::{RedisServer, eventually};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    log::Log,
    support::{PATIENCE, Service, Serving, ask, metric, serve},
};

/// How long a service may take to be well again after the fault has ended. Measured on an idle machine it is
/// around a second; the rest is for a busy one.
pub const BACK: Duration = Duration::from_secs(15);

/// How long a fault is looked at.
const WINDOW: Duration = Duration::from_millis(1_500);

pub struct Scene {
    pub service: Service,
    pub client: Client,
    pub client_metrics: Registry,
    pub worker: Serving,
    pub log: Log,
}

/// What was seen in one window of a fault.
#[derive(Debug)]
pub struct Seen {
    /// How requests ended, and how often.
    pub outcomes: BTreeMap<String, usize>,
    pub slowest: Duration,
    pub client: Result<(), NotReady>,
    pub worker: Result<(), NotReady>,
}

impl Scene {
    pub async fn start() -> Self {
        Self::on(RedisServer::start().await.unwrap()).await
    }

    pub async fn on(redis: RedisServer) -> Self {
        let service = Service::on(redis);
        let client = ClientConfig {
            send_timeout: Duration::from_secs(1),
            ..service.client_config()
        };
        let worker = service.worker_config();
        Self::with(service, client, worker).await
    }

    /// Starts both, and sees that they work.
    pub async fn with(service: Service, client: ClientConfig, worker: WorkerConfig) -> Self {
        let log = Log::capture();
        let client_metrics = Registry::new();
        let client = Client::connect(ClientConfig {
            registry: Some(client_metrics.clone()),
            ..client
        })
        .await
        .unwrap();
        client.ready().await;
        let worker = serve(
            worker,
            5,
            |request| async move { Ok(request.body.to_vec()) },
        )
        .await;
        ask(&client, "before").await.unwrap();
        Self {
            service,
            client,
            client_metrics,
            worker,
            log,
        }
    }

    /// Asks for a while, and looks at the end of it. Sees that nobody works himself up: neither commands nor
    /// connections come faster than callers and a backoff explain, and readiness does not flap.
    pub async fn look(&self) -> Seen {
        let before = self.load().await;
        let mut outcomes = BTreeMap::new();
        let mut slowest = Duration::ZERO;
        let started = Instant::now();
        let mut asked = 0.0;
        let ready = || {
            (
                self.client.readiness().is_ok(),
                self.worker.monitor.readiness().is_ok(),
            )
        };
        let (mut was, mut changes) = (ready(), 0);
        while started.elapsed() < WINDOW {
            let began = Instant::now();
            let options = Options::within(Duration::from_millis(500));
            let outcome = match self.client.request("during", options).await {
                Ok(_) => "answered".to_owned(),
                Err(RequestError::Unavailable { reason, .. }) => {
                    format!("unavailable: {}", reason.as_str())
                }
                Err(RequestError::Refused { reason, .. }) => {
                    format!("refused: {}", reason.as_str())
                }
                Err(RequestError::TimedOut) => "timed out".to_owned(),
                Err(other) => other.to_string(),
            };
            *outcomes.entry(outcome).or_default() += 1;
            slowest = slowest.max(began.elapsed());
            asked += 1.0;
            let is = ready();
            changes += usize::from(is != std::mem::replace(&mut was, is));
            sleep(Duration::from_millis(20)).await;
        }
        assert!(changes <= 3, "readiness changed {changes} times");
        let seconds = started.elapsed().as_secs_f64();
        if let (Some(before), Some(after)) = (before, self.load().await) {
            let [connections, commands] = [after[0] - before[0], after[1] - before[1]];
            // Nine loops; each backs off to a second, after some quick attempts.
            assert!(
                connections < 60.0 + 9.0 * seconds,
                "{connections} connections in {seconds} s"
            );
            // A request costs about ten commands, a connection five.
            let explained = 100.0 + 15.0 * asked + 50.0 * seconds + 5.0 * connections;
            assert!(commands < explained, "{commands} commands in {seconds} s");
        }
        Seen {
            outcomes,
            slowest,
            client: self.client.readiness(),
            worker: self.worker.monitor.readiness(),
        }
    }

    /// Waits until requests are answered and both parts say that they are ready.
    pub async fn recovers(&self) {
        let started = Instant::now();
        eventually(BACK, async || {
            let options = Options::within(Duration::from_secs(2));
            self.client.request("after", options).await?;
            self.client
                .readiness()
                .map_err(|reason| anyhow::anyhow!("the client: {reason}"))?;
            self.worker
                .monitor
                .readiness()
                .map_err(|reason| anyhow::anyhow!("the worker: {reason}"))
        })
        .await
        .unwrap();
        let back = started.elapsed();
        tracing::info!(?back, "served again");
        self.service.is_clean().await;
        assert_eq!(self.client.in_flight(), 0);
    }

    /// The log names the fault, and says it for each part at most twice: it is limited to once in ten seconds.
    pub fn told_of(&self, fault: Fault) {
        let fault = format!("fault=\"{}\"", fault.as_str());
        let lines = self.log.lines(&["WARN", &fault]);
        assert!(!lines.is_empty(), "no line with {fault}");
        let mut of_part = BTreeMap::<_, usize>::new();
        for line in &lines {
            let part = line
                .split("part=")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            *of_part.entry(part).or_default() += 1;
        }
        assert!(of_part.values().all(|count| *count <= 2), "{lines:#?}");
    }

    pub fn reconnects(&self) -> f64 {
        metric(&self.client_metrics, "redis_reconnects_total")
            + self.worker.metric("redis_reconnects_total")
    }

    /// Connections the server has accepted and commands it has carried out, if it can be asked.
    async fn load(&self) -> Option<[f64; 2]> {
        let stats = self.service.redis.info("stats");
        let stats = timeout(Duration::from_millis(500), stats)
            .await
            .ok()?
            .ok()?;
        let count = |name: &str| stats.get(name)?.parse().ok();
        Some([
            count("total_connections_received")?,
            count("total_commands_processed")?,
        ])
    }

    /// Waits until the client's readiness is this.
    pub async fn client_becomes(&self, readiness: Result<(), NotReady>) {
        crate::support::becomes(readiness, async || self.client.readiness()).await;
    }

    /// Waits until the worker's readiness is this.
    pub async fn worker_becomes(&self, readiness: Result<(), NotReady>) {
        crate::support::becomes(readiness, async || self.worker.monitor.readiness()).await;
    }
}

impl Seen {
    /// Every request ended in one of these ways.
    pub fn only(&self, expected: &[&str]) {
        assert!(
            self.outcomes
                .keys()
                .all(|outcome| expected.contains(&outcome.as_str())),
            "{self:?}"
        );
        assert!(self.slowest < PATIENCE, "{self:?}");
    }
}

//! A service of its own for each test: streams, workers and clients on a private Redis.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use prometheus::Registry;
use streams::{
    Client, ClientConfig, Drained, Failure, Monitor, Options, Reply, Request, RequestError,
    StreamNames, Worker, WorkerConfig,
};
use testbed::{RedisServer, eventually};
use tokio::{sync::oneshot, task::JoinHandle};

/// Long enough for a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough for a test to wait until it lapses.
pub const LEASE: Duration = Duration::from_millis(400);

/// One service on one Redis.
pub struct Service {
    pub redis: RedisServer,
    pub names: StreamNames,
}

/// A worker that serves in the background.
pub struct Serving {
    pub monitor: Monitor,
    pub registry: Registry,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Drained>,
}

/// How often each request was worked on, by body.
#[derive(Clone, Default)]
pub struct Runs(Arc<Mutex<HashMap<String, usize>>>);

impl Service {
    pub async fn start() -> Self {
        Self::on(RedisServer::start().await.unwrap())
    }

    pub fn on(redis: RedisServer) -> Self {
        Self {
            redis,
            names: StreamNames::for_service("test"),
        }
    }

    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::new(self.redis.url(), self.names.clone())
    }

    pub fn worker_config(&self) -> WorkerConfig {
        WorkerConfig::new(self.redis.url(), self.names.clone())
    }

    /// A worker's configuration with a [`LEASE`] that lapses soon.
    pub fn leased(&self) -> WorkerConfig {
        WorkerConfig {
            lease: LEASE,
            ..self.worker_config()
        }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.client_config()).await.unwrap()
    }

    pub async fn echo(&self, terminals: usize) -> Serving {
        serve(self.worker_config(), terminals, |request| async move {
            Ok(request.body.to_vec())
        })
        .await
    }

    pub async fn make_group(&self) {
        let StreamNames {
            requests, group, ..
        } = &self.names;
        self.redis
            .command::<()>(&["XGROUP", "CREATE", requests, group, "0", "MKSTREAM"])
            .await
            .unwrap();
    }

    /// From now on Redis refuses whatever takes memory.
    pub async fn run_out_of_memory(&self) {
        self.set("maxmemory", "1").await;
    }

    pub async fn have_memory_again(&self) {
        self.set("maxmemory", "0").await;
    }

    /// Changes a setting of the running server.
    pub async fn set(&self, name: &str, value: &str) {
        self.redis
            .command::<()>(&["CONFIG", "SET", name, value])
            .await
            .unwrap();
    }

    pub async fn length(&self) -> u64 {
        self.redis
            .command(&["XLEN", &self.names.requests])
            .await
            .unwrap()
    }

    pub async fn dead_letters(&self) -> u64 {
        self.redis
            .command(&["XLEN", &self.names.dead_letters()])
            .await
            .unwrap()
    }

    /// Entries that some consumer has.
    pub async fn pending(&self) -> u64 {
        let summary: redis::Value = self
            .redis
            .command(&["XPENDING", &self.names.requests, &self.names.group])
            .await
            .unwrap();
        match summary {
            redis::Value::Array(items) => redis::from_redis_value(items[0].clone()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The entries that some consumer has.
    pub async fn pending_ids(&self) -> Vec<String> {
        let (requests, group) = (&self.names.requests, &self.names.group);
        let rows: Vec<(String, String, u64, u64)> = self
            .redis
            .command(&["XPENDING", requests, group, "-", "+", "100"])
            .await
            .unwrap();
        rows.into_iter().map(|(id, ..)| id).collect()
    }

    /// Nothing is outstanding and nothing is pending.
    pub async fn is_clean(&self) {
        eventually(PATIENCE, || async {
            let (length, pending) = (self.length().await, self.pending().await);
            if (length, pending) == (0, 0) {
                Ok(())
            } else {
                anyhow::bail!("{length} outstanding, {pending} pending")
            }
        })
        .await
        .unwrap();
    }
}

/// Starts a worker and waits until it takes requests.
pub async fn serve<H, F>(mut config: WorkerConfig, terminals: usize, handler: H) -> Serving
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Vec<u8>, Failure>> + Send + 'static,
{
    let registry = Registry::new();
    config.registry = Some(registry.clone());
    let worker = Worker::connect(config).await.unwrap();
    let monitor = worker.monitor();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let task =
        tokio::spawn(async move { worker.serve(terminals, handler, shutdown).await.unwrap() });
    tokio::time::timeout(PATIENCE, monitor.ready())
        .await
        .unwrap();
    Serving {
        monitor,
        registry,
        stop: Some(stop),
        task,
    }
}

impl Serving {
    pub async fn drain(mut self) -> Drained {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .unwrap()
            .unwrap()
    }

    /// Ends it as a crash would: nothing is finished, nothing handed back.
    pub async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// The value of a metric, all labels added up.
    pub fn metric(&self, name: &str) -> f64 {
        metric(&self.registry, name)
    }
}

impl Runs {
    pub fn ran(&self, body: &[u8]) {
        *self
            .0
            .lock()
            .unwrap()
            .entry(String::from_utf8_lossy(body).into_owned())
            .or_default() += 1;
    }

    pub fn of(&self, body: &str) -> usize {
        self.0.lock().unwrap().get(body).copied().unwrap_or(0)
    }

    pub fn total(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

pub fn metric(registry: &Registry, name: &str) -> f64 {
    registry
        .gather()
        .iter()
        .filter(|family| family.name() == name)
        .flat_map(|family| family.get_metric())
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

/// Waits until `look` sees what is expected.
pub async fn becomes<T: PartialEq + fmt::Debug>(expected: T, mut look: impl AsyncFnMut() -> T) {
    let seen = eventually(PATIENCE, async || {
        let seen = look().await;
        anyhow::ensure!(seen == expected, "{seen:?}, not {expected:?}");
        Ok(())
    });
    if let Err(error) = seen.await {
        panic!("{error:#}");
    }
}

pub async fn ask(client: &Client, body: &str) -> Result<Reply, RequestError> {
    client
        .request(body.to_owned(), Options::within(PATIENCE))
        .await
}

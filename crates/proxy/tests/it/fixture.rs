//! A proxy in this process, on ports of its own, and a caller that reaches it through a private Redis.

use std::{ffi::OsString, time::Duration};

use common::{
    message::WeatherReply,
    shutdown::{Shutdown, Trigger},
    trace::Tracer,
};
use proxy::Config;
use serde_json::{Value, json};
use service::{Endpoints, Process, ServiceError, settings::parse_from};
use streams::{Client, ClientConfig, Options, Reply, RequestError, StreamNames};
use testbed::{HttpClient, RedisServer, eventually};
use tokio::task::JoinHandle;

/// Longer than anything takes, also on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A running proxy. Stops with the test's runtime.
pub(crate) struct Proxy {
    base: String,
    http: HttpClient,
    trigger: Trigger,
    ended: JoinHandle<Result<(), ServiceError>>,
}

impl Proxy {
    /// Starts one with these flags and waits until it is ready.
    pub(crate) async fn start(redis: &RedisServer, flags: &[&str]) -> Self {
        let proxy = Self::start_anyway(redis, flags).await;
        proxy.until_ready().await;
        proxy
    }

    /// Starts one that need not become ready.
    pub(crate) async fn start_anyway(redis: &RedisServer, flags: &[&str]) -> Self {
        let url = redis.url();
        let fixed = ["proxy", "--listen", "127.0.0.1:0", "--redis-url", &url];
        let arguments = fixed.iter().chain(flags).map(OsString::from);
        let config: Config = parse_from(arguments, Config::check).unwrap();
        config.check().unwrap();
        let endpoints = Endpoints::bind(config.listen, config.http.admin_listen).unwrap();
        let base = format!("http://{}", endpoints.public.local_addr().unwrap());
        let (trigger, shutdown) = Shutdown::manual();
        let registry = common::metrics::registry("proxy", "test").unwrap();
        let ended = tokio::spawn(proxy::run(
            config,
            Process {
                registry,
                shutdown,
                tracer: Tracer::default(),
            },
            endpoints,
        ));
        Self {
            base,
            http: HttpClient::new().unwrap(),
            trigger,
            ended,
        }
    }

    pub(crate) async fn until_ready(&self) {
        let ready = eventually(LONG, async || {
            let (status, body) = self.get("/health/ready").await;
            anyhow::ensure!(status == 200, "{body}");
            Ok(())
        });
        ready.await.unwrap();
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Status and body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(&self.url(path), LONG).await.unwrap();
        (answer.status, answer.text())
    }

    /// The JSON of a GET that succeeds.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until so many terminals are busy.
    pub(crate) async fn until_busy(&self, count: usize) {
        let busy = eventually(LONG, async || {
            let terminals = self.json("/terminals").await;
            let busy = terminals
                .as_array()
                .unwrap()
                .iter()
                .filter(|terminal| terminal["state"] == "busy");
            anyhow::ensure!(busy.count() == count, "{terminals}");
            Ok(())
        });
        busy.await.unwrap();
    }

    /// The sum of a figure over all terminals.
    pub(crate) async fn total(&self, figure: &str) -> u64 {
        let terminals = self.json("/terminals").await;
        terminals
            .as_array()
            .unwrap()
            .iter()
            .map(|terminal| terminal[figure].as_u64().unwrap())
            .sum()
    }

    /// Tells it to leave.
    pub(crate) fn leave(&self) {
        self.trigger.start();
    }

    /// Waits for its end after it was told to leave.
    pub(crate) async fn end(self) {
        tokio::time::timeout(LONG, self.ended)
            .await
            .expect("an end")
            .unwrap()
            .unwrap();
    }
}

/// The names that proxies have by default.
pub(crate) fn names() -> StreamNames {
    StreamNames {
        requests: "weather-requests".into(),
        responses: "weather-responses".into(),
        group: "weather-proxies".into(),
    }
}

/// A caller on this Redis, ready to ask.
pub(crate) async fn caller(redis: &RedisServer) -> Client {
    let client = Client::connect(ClientConfig::new(redis.url(), names()))
        .await
        .unwrap();
    tokio::time::timeout(LONG, client.ready())
        .await
        .expect("a connection");
    client
}

/// Asks for the weather in a city.
pub(crate) async fn ask(
    client: &Client,
    city: &str,
    within: Duration,
) -> Result<Reply, RequestError> {
    let body = json!({"city": city, "location": "Downtown"}).to_string();
    client.request(body, Options::within(within)).await
}

/// The weather in a reply that belongs to its request.
pub(crate) fn weather(reply: &Reply) -> WeatherReply {
    let weather: WeatherReply = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(weather.request_id, reply.id);
    weather
}

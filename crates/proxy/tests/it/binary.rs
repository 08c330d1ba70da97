//! The real binary: how it leaves, and how it dies.

use std::{os::unix::process::ExitStatusExt, time::Duration};

use testbed::{HttpClient, Port, Process, RedisServer, Signal, eventually};

use crate::fixture::{LONG, Proxy, ask, caller, weather};

struct Binary {
    process: Process,
    base: String,
    http: HttpClient,
    _port: Port,
}

impl Binary {
    /// Starts the binary with these variables and waits until it is ready.
    async fn start(redis: &RedisServer, variables: &[(&str, &str)]) -> Self {
        let port = Port::reserve().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let process = Process::builder("proxy", env!("CARGO_BIN_EXE_proxy"))
            .env("LISTEN", &address)
            .env("REDIS_URL", redis.url())
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        let binary = Self {
            process,
            base: format!("http://{address}"),
            http: HttpClient::new().unwrap(),
            _port: port,
        };
        eventually(LONG, async || {
            let answer = binary
                .http
                .get(&format!("{}/health/ready", binary.base), LONG)
                .await?;
            anyhow::ensure!(answer.status == 200, "{}", answer.text());
            Ok(())
        })
        .await
        .unwrap();
        binary
    }

    async fn until_busy(&self) {
        eventually(LONG, async || {
            let answer = self
                .http
                .get(&format!("{}/terminals", self.base), LONG)
                .await?;
            anyhow::ensure!(answer.text().contains("busy"), "{}", answer.text());
            Ok(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_first_signal_drains_and_ends_well() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let redis = RedisServer::start().await.unwrap();
        let proxy = Binary::start(&redis, &[("PROCESSING_TIME", "500ms")]).await;
        let client = caller(&redis).await;
        let leave = async {
            proxy.until_busy().await;
            proxy.process.signal(signal).unwrap();
        };
        let (reply, ()) = tokio::join!(ask(&client, "Oslo", LONG), leave);
        weather(&reply.unwrap());
        let status = proxy.process.wait_exit(LONG).await.unwrap();
        assert!(status.success(), "{status}: {}", proxy.process.log());
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = Binary::start(&redis, &[("DRAIN_DELAY", "1h")]).await;
    proxy.process.signal(Signal::SIGTERM).unwrap();
    proxy
        .process
        .wait_for_log("a second signal ends at once", LONG)
        .await
        .unwrap();
    proxy.process.signal(Signal::SIGTERM).unwrap();
    let status = proxy.process.wait_exit(LONG).await.unwrap();
    assert_eq!(status.code(), Some(143), "{}", proxy.process.log());
}

#[tokio::test]
async fn a_city_that_kills_its_proxy_is_served_by_one_that_is_immune() {
    let redis = RedisServer::start().await.unwrap();
    let variables = [("SIMULATED_FAULTS", "true"), ("LEASE", "500ms")];
    let mortal = Binary::start(&redis, &variables).await;
    assert!(
        mortal.process.log().contains("SIMULATED_FAULTS is on"),
        "{}",
        mortal.process.log()
    );
    let client = caller(&redis).await;
    let succession = async {
        let status = mortal.process.wait_exit(LONG).await.unwrap();
        assert_eq!(
            status.signal(),
            Some(Signal::SIGABRT as i32),
            "{}",
            mortal.process.log()
        );
        Proxy::start(&redis, &["--lease", "500ms"]).await
    };
    let (reply, immune) = tokio::join!(ask(&client, "abort!", LONG), succession);
    let reply = reply.unwrap();
    assert_eq!(weather(&reply).city, "abort!");
    assert_eq!(reply.deliveries, 2);
    assert_eq!(immune.total("served").await, 1);
}

#[tokio::test]
async fn a_request_beyond_the_drain_timeout_goes_to_another_proxy() {
    let redis = RedisServer::start().await.unwrap();
    let variables = [("SIMULATED_FAULTS", "true"), ("DRAIN_TIMEOUT", "100ms")];
    let leaving = Binary::start(&redis, &variables).await;
    let client = caller(&redis).await;
    let succession = async {
        leaving.until_busy().await;
        leaving.process.terminate().unwrap();
        let status = leaving.process.wait_exit(LONG).await.unwrap();
        assert!(status.success(), "{status}: {}", leaving.process.log());
        Proxy::start(&redis, &[]).await
    };
    let (reply, _heir) = tokio::join!(ask(&client, "hang!", LONG), succession);
    assert_eq!(weather(&reply.unwrap()).city, "hang!");
}

/// A log line for each request would cost more than the request.
#[tokio::test]
async fn requests_leave_no_trace_in_the_log() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = Binary::start(&redis, &[("PROCESSING_TIME", "0ms")]).await;
    let client = caller(&redis).await;
    ask(&client, "Oslo", LONG).await.unwrap();
    proxy.process.terminate().unwrap();
    proxy
        .process
        .wait_exit(Duration::from_secs(60))
        .await
        .unwrap();
    assert!(
        !proxy.process.log().contains("Oslo"),
        "{}",
        proxy.process.log()
    );
}

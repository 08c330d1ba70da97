//! The real binary: settings, exit codes, signals, descriptors.

use std::time::Duration;

use testbed::{
    Certificates, Collector, Folder, HttpClient, Mood, Port, Process, RawConnection, RedisServer,
    Signal, eventually,
};

use crate::support::PATIENCE;

const INGRESS: &str = env!("CARGO_BIN_EXE_ingress");

/// Starts the binary with one variable and waits for its end; what it said and its exit code.
async fn run_with(name: &str, value: &str) -> (String, Option<i32>) {
    let process = Process::builder("ingress", INGRESS)
        .env("LISTEN", "127.0.0.1:0")
        .env(name, value)
        .spawn()
        .unwrap();
    let status = process.wait_exit(PATIENCE).await.unwrap();
    (process.log(), status.code())
}

#[tokio::test]
async fn a_bad_setting_ends_it_at_once_with_one_line() {
    for (name, value, expected) in [
        (
            "REQUEST_TIMEOUT",
            "30",
            r#"REQUEST_TIMEOUT: "30" is not a duration: add a unit, for example 30s"#,
        ),
        (
            "REQUEST_TIMEOUT",
            "",
            r#"REQUEST_TIMEOUT: "" is empty: a duration such as 30s or 150ms is expected"#,
        ),
        (
            "MAX_IN_FLIGHT",
            "4294967296",
            r#"MAX_IN_FLIGHT: "4294967296" is not a whole number from 1 to 4294967295"#,
        ),
        (
            "REPLY_STREAM",
            "both",
            r#"REPLY_STREAM: "both" is not one of shared, dedicated"#,
        ),
        (
            "LISTEN",
            "5009",
            r#"LISTEN: "5009" is not an address: an IP address and a port are expected, for example 127.0.0.1:5009"#,
        ),
        (
            "REQUEST_STREAM",
            "weather-responses",
            "REQUEST_STREAM, RESPONSE_STREAM: the request and response streams must not share a name, \
             nor one lie below the other",
        ),
    ] {
        let (said, code) = run_with(name, value).await;
        // Lines of the log come before the engine is asked, and are no part of the message.
        let last = said.lines().last().unwrap_or_default();
        assert_eq!((last, code), (expected, Some(2)), "{said}");
        assert_eq!(
            said.lines().filter(|line| !line.starts_with('{')).count(),
            1,
            "{said}"
        );
    }
    let (said, code) = run_with("REDIS_URL", "redis://:hunter2@:what").await;
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.lines().last().unwrap().starts_with("REDIS_URL: "),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_taken_port_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (said, code) = run_with("LISTEN", &address).await;
    let last = said.lines().last().unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        last.contains(&format!("LISTEN: cannot listen on {address}")),
        "{said}"
    );
}

#[tokio::test]
async fn it_starts_before_redis_and_leaves_on_a_signal() {
    let port = Port::reserve().unwrap();
    let redis = Port::reserve().unwrap();
    let process = Process::builder("ingress", INGRESS)
        .env("LISTEN", format!("127.0.0.1:{}", port.number()))
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.number()))
        .spawn()
        .unwrap();
    let base = format!("http://127.0.0.1:{}", port.number());
    let asks = async || {
        let asking = Process::builder("health", INGRESS)
            .env("LISTEN", format!("0.0.0.0:{}", port.number()))
            .arg("--health")
            .spawn()
            .unwrap();
        let status = asking.wait_exit(PATIENCE).await.unwrap();
        (status.code(), asking.log())
    };
    until(&base, "/health/live", 200).await;
    until(&base, "/health/ready", 503).await;
    let (code, said) = asks().await;
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");

    let number = redis.number();
    drop(redis);
    let _redis = RedisServer::builder().port(number).start().await.unwrap();
    until(&base, "/health/ready", 200).await;
    assert_eq!(asks().await, (Some(0), String::new()));

    process.signal(Signal::SIGTERM).unwrap();
    assert_eq!(
        process.wait_exit(PATIENCE).await.unwrap().code(),
        Some(0),
        "{}",
        process.log()
    );
}

/// The last spans go out on leaving, and a collector that hangs keeps nobody from it.
#[tokio::test]
async fn spans_are_sent_on_leaving_and_waited_for_no_longer_than_that() {
    for mood in [Mood::Well, Mood::Hangs] {
        let collector = Collector::start(mood).await.unwrap();
        let port = Port::reserve().unwrap();
        let process = Process::builder("ingress", INGRESS)
            .env("LISTEN", format!("127.0.0.1:{}", port.number()))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "60s")
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{}", port.number());
        until(&base, "/nowhere", 404).await;
        if mood == Mood::Hangs {
            let asked = eventually(PATIENCE, async || {
                anyhow::ensure!(collector.asked() > 0, "nothing is on its way");
                Ok(())
            });
            asked.await.unwrap();
        }
        process.signal(Signal::SIGTERM).unwrap();
        let status = process.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(0), "{}", process.log());
        let sent = collector.spans().iter().any(|span| span.name == "GET");
        assert_eq!(sent, mood == Mood::Well, "{}", process.log());
    }
}

/// Spans go to a collector whose certificate is of the authority that is trusted, and to no other, with the headers and
/// the resource that were asked for.
#[tokio::test]
async fn spans_go_encrypted_to_whom_can_be_trusted() {
    let folder = Folder::new("collector").unwrap();
    let certificates = Certificates::create(folder.path()).unwrap();
    let tls = certificates.server_tls();
    for (authority, trusted) in [(&certificates.ca, true), (&certificates.other_ca, false)] {
        let collector = Collector::start_encrypted(&tls).await.unwrap();
        let port = Port::reserve().unwrap();
        let process = Process::builder("ingress", INGRESS)
            .env("LISTEN", format!("127.0.0.1:{}", port.number()))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
            .env(
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                authority.display().to_string(),
            )
            .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20abc")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{}", port.number());
        until(&base, "/nowhere", 404).await;
        process.signal(Signal::SIGTERM).unwrap();
        let status = process.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(0), "{}", process.log());
        if !trusted {
            assert_eq!(collector.asked(), 0);
            let why = "the collector does not take spans";
            assert!(process.log().contains(why), "{}", process.log());
            continue;
        }
        assert_eq!(collector.headers()["authorization"], "Basic abc");
        let spans = collector.spans();
        assert!(!spans.is_empty(), "{}", process.log());
        for span in spans {
            assert_eq!(span.resource["deployment.environment"], "test");
            assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
        }
    }
}

#[tokio::test]
async fn when_descriptors_run_out_it_waits_and_goes_on() {
    let port = Port::reserve().unwrap();
    let process = Process::builder("ingress", "sh")
        .args(["-c", &format!("ulimit -n 64 && exec {INGRESS}")])
        .env("LISTEN", format!("127.0.0.1:{}", port.number()))
        .spawn()
        .unwrap();
    let base = format!("http://127.0.0.1:{}", port.number());
    until(&base, "/health/live", 200).await;

    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(RawConnection::open(&base).await.unwrap());
    }
    process
        .wait_for_log("cannot accept connections", PATIENCE)
        .await
        .unwrap();
    let before = process.cpu_time().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = process.cpu_time().unwrap() - before;
    assert!(
        spent < Duration::from_millis(500),
        "it spins: {spent:?} of CPU in a second"
    );

    drop(crowd);
    until(&base, "/health/live", 200).await;
}

#[tokio::test]
async fn a_low_soft_limit_of_descriptors_is_raised() {
    let port = Port::reserve().unwrap();
    let process = Process::builder("ingress", "sh")
        .args(["-c", &format!("ulimit -Sn 64 && exec {INGRESS}")])
        .env("LISTEN", format!("127.0.0.1:{}", port.number()))
        .spawn()
        .unwrap();
    let base = format!("http://127.0.0.1:{}", port.number());
    until(&base, "/health/live", 200).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let mut wire = RawConnection::open(&base).await.unwrap();
        wire.send("GET /health/live HTTP/1.1\r\nhost: t\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(wire.read_answer(PATIENCE).await.unwrap().status, 200);
        crowd.push(wire);
    }
    assert!(process.exit_status().is_none());
}

async fn until(base: &str, path: &str, status: u16) {
    let http = HttpClient::new().unwrap();
    eventually(PATIENCE, async || {
        let answer = http
            .get(&format!("{base}{path}"), Duration::from_secs(5))
            .await?;
        anyhow::ensure!(
            answer.status == status,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    })
    .await
    .unwrap();
}

//! The whole proxy on a private Redis, with the engine's client as the caller.

use std::time::Duration;

use futures_util::future::join_all;
use streams::RequestError;
use testbed::{HttpClient, Leftovers, Metrics, RedisServer, eventually};

use crate::{
    fixture::{LONG, Proxy, ask, caller, names, weather},
    open_meteo::stub::{Answer, Stub},
};

const FAST: [&str; 2] = ["--processing-time", "0ms"];

#[tokio::test]
async fn each_request_gets_the_weather_of_its_own_city() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = Proxy::start(&redis, &FAST).await;
    let client = caller(&redis).await;
    let cities: Vec<_> = (0..100)
        .map(|number| format!("City {number} — Ünïcödé 東京"))
        .collect();
    let replies = join_all(cities.iter().map(|city| ask(&client, city, LONG))).await;
    for (city, reply) in cities.iter().zip(replies) {
        let reply = reply.unwrap();
        assert_eq!(weather(&reply).city, *city);
        assert_eq!(weather(&reply).location, "Downtown");
        assert_eq!(reply.deliveries, 1);
    }
    assert_eq!(
        (proxy.total("served").await, proxy.total("failed").await),
        (100, 0)
    );

    proxy.leave();
    proxy.end().await;
    let names = names();
    Leftovers::read(&redis, &names.requests, &names.group)
        .await
        .unwrap()
        .check(0, 0)
        .unwrap();
}

#[tokio::test]
async fn whatever_a_request_does_to_its_terminal_the_next_one_is_served() {
    let redis = RedisServer::start().await.unwrap();
    let flags = ["--terminals", "1", "--simulated-faults", "true"];
    let proxy = Proxy::start(&redis, &[FAST.as_slice(), &flags].concat()).await;
    let client = caller(&redis).await;

    match ask(&client, "fail!", LONG).await {
        Err(RequestError::Failed(failure)) => assert_eq!(failure.code, "provider-failed"),
        other => panic!("{other:?}"),
    }
    let invalid = client
        .request("no json", streams::Options::within(LONG))
        .await;
    match invalid {
        Err(RequestError::Failed(failure)) => assert_eq!(failure.code, "request-invalid"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        ask(&client, "panic!", LONG).await,
        Err(RequestError::Panicked)
    );
    assert_eq!(
        ask(&client, "hang!", Duration::from_millis(300)).await,
        Err(RequestError::TimedOut)
    );
    ask(&client, "Oslo", LONG).await.unwrap();
    assert_eq!(
        (proxy.total("served").await, proxy.total("failed").await),
        (1, 4)
    );
}

#[tokio::test]
async fn a_city_that_open_meteo_does_not_know_is_named_to_the_caller() {
    let redis = RedisServer::start().await.unwrap();
    let stub = Stub::start([Answer::ok(r#"{"generationtime_ms":0.1}"#)]).await;
    let config = stub.config();
    let (geocoding, forecast) = (
        config.geocoding_url.to_string(),
        config.forecast_url.to_string(),
    );
    let flags = [
        "--weather-provider",
        "open-meteo",
        "--open-meteo-geocoding-url",
        &geocoding,
        "--open-meteo-forecast-url",
        &forecast,
    ];
    let proxy = Proxy::start(&redis, &flags).await;
    let client = caller(&redis).await;
    match ask(&client, "Nirgendwo", LONG).await {
        Err(RequestError::Failed(failure)) => {
            assert_eq!(failure.code, "city-unknown");
            assert!(failure.message.contains("\"Nirgendwo\""), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    let reply = ask(&client, "Berlin", LONG).await.unwrap();
    assert_eq!(
        (
            weather(&reply).temperature_c,
            weather(&reply).summary.as_str()
        ),
        (-2, "Overcast")
    );

    let health = proxy.json("/health").await;
    assert_eq!(
        health["parts"]["provider"]["detail"]["circuit"], "closed",
        "{health}"
    );
    let metrics = Metrics::parse(&proxy.get("/metrics").await.1).unwrap();
    assert_eq!(
        metrics.get("circuit_breaker_state", &[("name", "open-meteo")]),
        Some(0.0)
    );
    assert_eq!(
        metrics.get(
            "weather_provider_errors_total",
            &[("cause", "city-unknown")]
        ),
        Some(1.0)
    );
}

#[tokio::test]
async fn a_second_proxy_takes_its_share_at_once() {
    let redis = RedisServer::start().await.unwrap();
    let flags = ["--terminals", "1", "--processing-time", "20ms"];
    let first = Proxy::start(&redis, &flags).await;
    let client = caller(&redis).await;
    let crowd = async {
        let requests =
            (0..60).map(|number| ask(&client, if number % 2 == 0 { "Oslo" } else { "Rome" }, LONG));
        join_all(requests)
            .await
            .into_iter()
            .for_each(|reply| drop(weather(&reply.unwrap())));
    };
    let newcomer = async {
        first.until_busy(1).await;
        Proxy::start(&redis, &flags).await
    };
    let ((), second) = tokio::join!(crowd, newcomer);
    let (first, second) = (first.total("served").await, second.total("served").await);
    assert_eq!(first + second, 60);
    assert!(first > 0 && second > 0, "{first} and {second}");
}

#[tokio::test]
async fn what_runs_is_finished_and_can_be_watched_while_the_proxy_leaves() {
    let redis = RedisServer::start().await.unwrap();
    let flags = ["--terminals", "1", "--processing-time", "1s"];
    let proxy = Proxy::start(&redis, &flags).await;
    let client = caller(&redis).await;
    let leave = async {
        proxy.until_busy(1).await;
        proxy.leave();
        let (status, body) = proxy.get("/health/ready").await;
        assert_eq!((status, body.contains("draining")), (503, true), "{body}");
        let health = proxy.json("/health").await;
        assert_eq!(health["status"], "degraded", "{health}");
        // A connection of its own for each look: what must be there until the work is done is the address.
        while HttpClient::new()
            .unwrap()
            .get(&proxy.url("/terminals"), LONG)
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let outstanding: u64 = redis.command(&["XLEN", "weather-requests"]).await.unwrap();
        assert_eq!(outstanding, 0, "nobody could watch the rest of the work");
    };
    let (reply, ()) = tokio::join!(ask(&client, "Oslo", LONG), leave);
    weather(&reply.unwrap());
    proxy.end().await;
    let names = names();
    Leftovers::read(&redis, &names.requests, &names.group)
        .await
        .unwrap()
        .check(0, 0)
        .unwrap();
}

#[tokio::test]
async fn before_it_drains_it_serves_on_for_the_drain_delay() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = Proxy::start(
        &redis,
        &[FAST.as_slice(), &["--drain-delay", "1h"]].concat(),
    )
    .await;
    let client = caller(&redis).await;
    proxy.leave();
    assert_eq!(proxy.get("/health/ready").await.0, 503);
    ask(&client, "Oslo", LONG).await.unwrap();
    assert_eq!(proxy.get("/health/live").await.0, 200);
}

#[tokio::test]
async fn redis_may_come_last() {
    let redis = RedisServer::start().await.unwrap();
    redis.kill_hard().await.unwrap();
    let proxy = Proxy::start_anyway(&redis, &FAST).await;
    eventually(LONG, async || {
        let (status, body) = proxy.get("/health").await;
        anyhow::ensure!(body.contains("Redis cannot be reached"), "{body}");
        anyhow::ensure!(status == 503, "{status}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(proxy.get("/health/live").await.0, 200);
    assert_eq!(proxy.get("/health/ready").await.0, 503);

    redis.start_again().await.unwrap();
    proxy.until_ready().await;
    let client = caller(&redis).await;
    ask(&client, "Oslo", LONG).await.unwrap();
    // Each part of the worker finds out at its own time.
    let health = eventually(LONG, async || {
        let health = proxy.json("/health").await;
        anyhow::ensure!(health["status"] == "healthy", "{health}");
        Ok(health)
    });
    let health = health.await.unwrap();
    assert!(
        health["parts"]["redis"]["detail"]["version"].is_string(),
        "{health}"
    );
}

#[tokio::test]
async fn everything_is_measured_and_documented() {
    let redis = RedisServer::start().await.unwrap();
    let proxy = Proxy::start(&redis, &FAST).await;
    let client = caller(&redis).await;
    ask(&client, "Oslo", LONG).await.unwrap();

    let (_, text) = proxy.get("/metrics").await;
    let metrics = Metrics::parse(&text).unwrap();
    assert_eq!(metrics.get("terminals", &[]), Some(5.0), "{text}");
    assert_eq!(
        metrics.get("weather_request_processing_seconds_count", &[]),
        Some(1.0),
        "{text}"
    );
    for family in [
        "terminals_active",
        "weather_provider_errors_total",
        "requests_served_total",
        "build_info",
    ] {
        assert!(
            metrics.sum(family, &[]).is_some(),
            "{family} is not in {text}"
        );
    }
    let document = proxy.json("/swagger/v1/swagger.json").await;
    assert!(
        document["paths"]["/terminals"]["get"].is_object(),
        "{document}"
    );
    assert!(
        document["components"]["schemas"]["Terminal"].is_object(),
        "{document}"
    );
    let (status, page) = proxy.get("/swagger/").await;
    assert!(
        status == 200 && page.contains("swagger"),
        "{status}: {page}"
    );
    let (status, problem) = proxy.get("/nowhere").await;
    assert!(
        status == 404 && problem.contains("/problems/not-found"),
        "{status}: {problem}"
    );
}

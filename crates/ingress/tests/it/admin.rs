//! Health and metrics, on both addresses.

use testbed::{HttpClient, Metrics, RedisServer};

use crate::support::{Ingress, PATIENCE, worker};

#[tokio::test]
async fn without_redis_it_lives_and_is_not_ready() {
    let ingress = Ingress::alone(&[]).await;
    assert_eq!(ingress.get("/health/live").await.status, 200);
    let ready = ingress.get("/health/ready").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json().unwrap()["ready"], false);
    let health = ingress.get("/health").await;
    assert_eq!(health.status, 503);
    let report = health.json().unwrap();
    assert_eq!(report["status"], "unhealthy");
    assert_eq!(report["service"], "ingress");
    assert_eq!(report["parts"]["redis"]["status"], "unhealthy");
}

#[tokio::test]
async fn without_a_worker_it_is_degraded_and_with_one_healthy() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    let health = ingress.get("/health").await;
    assert_eq!(health.status, 200);
    let report = health.json().unwrap();
    assert_eq!(report["status"], "degraded", "{report}");
    assert_eq!(report["parts"]["workers"]["status"], "degraded");
    assert_eq!(report["parts"]["redis"]["detail"]["role"], "master");
    assert!(report["parts"]["redis"]["detail"]["commands"].is_object());

    let _stage = worker(&redis, 3).await;
    testbed::eventually(PATIENCE, async || {
        let report = ingress.get("/health").await.json()?;
        anyhow::ensure!(report["status"] == "healthy", "{report}");
        anyhow::ensure!(
            report["parts"]["workers"]["detail"]["terminals"] == 3,
            "{report}"
        );
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn dead_letters_and_an_unsafe_eviction_policy_degrade() {
    let redis = RedisServer::builder()
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await
        .unwrap();
    redis
        .command::<()>(&["XADD", "weather-requests:dead", "*", "cause", "test"])
        .await
        .unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    testbed::eventually(PATIENCE, async || {
        let parts = ingress.get("/health").await.json()?["parts"].clone();
        for part in ["redis", "backlog"] {
            anyhow::ensure!(parts[part]["status"] == "degraded", "{part}: {parts}");
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn requests_are_counted_under_bounded_labels() {
    let ingress = Ingress::alone(&[]).await;
    ingress.ask("").await;
    for path in ["/nothing", "/nothing-else"] {
        ingress.get(path).await;
    }
    let mut wire = ingress.raw().await;
    wire.send("BREW /coffee HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    wire.read_answer(PATIENCE).await.unwrap();

    let url = format!("{}/metrics", ingress.base);
    let metrics = Metrics::scrape(&HttpClient::new().unwrap(), &url, PATIENCE)
        .await
        .unwrap();
    let count = |method, route, status| {
        metrics.get(
            "http_requests_total",
            &[("method", method), ("route", route), ("status", status)],
        )
    };
    assert_eq!(count("POST", "/WeatherForecast/city", "422"), Some(1.0));
    assert_eq!(count("GET", "other", "404"), Some(2.0));
    assert_eq!(count("other", "other", "404"), Some(1.0));
    assert_eq!(
        metrics.sum("http_requests_in_flight", &[]),
        Some(1.0),
        "this scrape itself"
    );
    let timed = metrics.get(
        "http_request_duration_seconds_count",
        &[("method", "POST"), ("route", "/WeatherForecast/city")],
    );
    assert_eq!(timed, Some(1.0));
}

#[tokio::test]
async fn the_admin_address_answers_when_the_other_is_full() {
    let ingress =
        Ingress::alone(&["--admin-listen", "127.0.0.1:0", "--max-connections", "1"]).await;
    let mut only = ingress.raw().await;
    only.send("GET /health/live HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(only.read_answer(PATIENCE).await.unwrap().status, 200);

    let admin = ingress.admin.as_ref().unwrap();
    let http = HttpClient::new().unwrap();
    for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
        let answer = http.get(&format!("{admin}{path}"), PATIENCE).await.unwrap();
        assert_ne!(answer.status, 404, "{path}");
    }
    let elsewhere = http
        .post(
            &format!("{admin}/WeatherForecast/city"),
            &[],
            Vec::new(),
            PATIENCE,
        )
        .await
        .unwrap();
    assert_eq!(elsewhere.status, 404, "weather is not served there");
}

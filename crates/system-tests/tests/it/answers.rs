//! Everything a caller can get wrong has its own answer: what well-behaved HTTP clients can send.

use anyhow::Context;
use serde_json::json;
use testbed::Answer;

use crate::callers::{JSON, weather_of};
use crate::problem::{Documented, is_problem};
use crate::system::{Allowed, CITY, LONG, Service, System};

/// Sends these bodies, and checks that all are answered with this problem.
async fn all_are(system: &System, bodies: &[&[u8]], status: u16, kind: &str) -> anyhow::Result<()> {
    let documented = Documented::read(system.ingress(0)).await?;
    for body in bodies {
        let answer = system.post(0, &[JSON], *body).await?;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        documented.check(&answer, status, kind).context(shown)?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_json_is_400() -> anyhow::Result<()> {
    let system = System::start().await?;
    let deep = "[".repeat(5_000);
    let deep_in_a_field = format!("{{\"city\":{}", "[".repeat(5_000));
    let bodies: [&[u8]; 12] = [
        b"",
        b" ",
        b"hello",
        b"{",
        b"{\"city\":\"Oslo\",\"location\":\"Cen",
        b"{\"city\":\"Oslo\",\"location\":\"Centre\"} x",
        b"{'city':'Oslo','location':'Centre'}",
        b"{\"city\":\"\xff\xfe\",\"location\":\"Centre\"}",
        b"{\"city\":\"\\ud800\",\"location\":\"Centre\"}",
        b"\xef\xbb\xbf{\"city\":\"Oslo\",\"location\":\"Centre\"}",
        deep.as_bytes(),
        deep_in_a_field.as_bytes(),
    ];
    all_are(&system, &bodies, 400, "invalid-json").await?;
    for (body, told) in [("", "empty"), (&*deep, "at most 127 levels")] {
        let answer = system.post(0, &[JSON], body).await?;
        let problem = answer.json()?;
        let detail = problem["detail"].as_str().context("no detail")?;
        assert!(detail.contains(told), "{detail}");
    }
    // What was wrong is told, what was sent is not repeated.
    let answer = system.post(0, &[JSON], "{\"city\": secret").await?;
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_not_sent_as_plain_json_is_415() -> anyhow::Result<()> {
    let system = System::start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, ("content-encoding", "snappy")],
    ] {
        let answer = system.post(0, headers, weather_of("Oslo")).await?;
        let checked = documented.check(&answer, 415, "unsupported-media-type");
        checked.with_context(|| format!("{headers:?}"))?;
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_422_and_named() -> anyhow::Result<()> {
    let system = System::start().await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let long = "x".repeat(257);
    for (body, field) in [
        (r#"{"city": "Oslo"}"#.to_owned(), "location"),
        (r#"{"location": "Centre"}"#.to_owned(), "city"),
        (r#"{"city": null, "location": "Centre"}"#.to_owned(), "city"),
        (r#"{"city": 5, "location": "Centre"}"#.to_owned(), "city"),
        (
            r#"{"city": "Oslo", "location": ["Centre"]}"#.to_owned(),
            "location",
        ),
        (r#"{"city": "", "location": "Centre"}"#.to_owned(), "city"),
        (
            r#"{"city": " \u2003 ", "location": "Centre"}"#.to_owned(),
            "city",
        ),
        (
            r#"{"city": "Os\nlo", "location": "Centre"}"#.to_owned(),
            "city",
        ),
        (
            r#"{"city": "Os\u0000lo", "location": "Centre"}"#.to_owned(),
            "city",
        ),
        (
            r#"{"city": "Oslo", "location": "Centre\r\n"}"#.to_owned(),
            "location",
        ),
        (
            r#"{"city": "Oslo", "city": "Rome", "location": "Centre"}"#.to_owned(),
            "city",
        ),
        (
            json!({"city": long, "location": "Centre"}).to_string(),
            "city",
        ),
        (
            json!({"city": "Oslo", "location": long}).to_string(),
            "location",
        ),
        ("[]".to_owned(), "body"),
        ("null".to_owned(), "body"),
        ("\"Oslo\"".to_owned(), "body"),
        ("17".to_owned(), "body"),
    ] {
        let answer = system.post(0, &[JSON], &*body).await?;
        documented
            .check(&answer, 422, "invalid-request")
            .context(body.clone())?;
        let errors = &answer.json()?["errors"];
        let named: Vec<_> = errors.as_object().context("no errors")?.keys().collect();
        assert_eq!(named, [field], "{body}: {errors}");
    }
    // All fields at once.
    for body in ["{}", r#"{"city": 5, "location": "\u0000"}"#] {
        let answer = system.post(0, &[JSON], body).await?;
        documented.check(&answer, 422, "invalid-request")?;
        let problem = answer.json()?;
        let named: Vec<_> = problem["errors"]
            .as_object()
            .context("errors")?
            .keys()
            .collect();
        assert_eq!(named, ["city", "location"], "{problem}");
    }
    // At the bound, and with fields that nobody knows, all is well.
    let longest =
        json!({"city": "x".repeat(256), "location": "é".repeat(256), "unknown": {"a": 1}});
    let answer = system.post(0, &[JSON], longest.to_string()).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() -> anyhow::Result<()> {
    let system = System::builder()
        .ingress("MAX_BODY", "1KiB")
        .start()
        .await?;
    let documented = Documented::read(system.ingress(0)).await?;
    let padded = |length: usize| {
        let padding = "x".repeat(
            length
                - json!({"city": "Oslo", "location": "Centre", "p": ""})
                    .to_string()
                    .len(),
        );
        json!({"city": "Oslo", "location": "Centre", "p": padding}).to_string()
    };
    assert_eq!(system.post(0, &[JSON], padded(1024)).await?.status, 200);
    for length in [1025, 1 << 20] {
        let answer = system.post(0, &[JSON], padded(length)).await?;
        documented.check(&answer, 413, "body-too-large")?;
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_method_is_405_and_an_unknown_path_404() -> anyhow::Result<()> {
    let system = System::start().await?;
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let answer = send(system.ingress(0), method, CITY).await?;
        is_problem(&answer, 405, "method-not-allowed").context(method)?;
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    for path in [
        "/WeatherForecast",
        "/weatherforecast/city",
        "/WeatherForecast/city/",
        "//",
        "/%2e%2e/etc",
    ] {
        let answer = send(system.ingress(0), "POST", path).await?;
        is_problem(&answer, 404, "not-found").context(path)?;
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

async fn send(service: &Service, method: &str, path: &str) -> anyhow::Result<Answer> {
    let mut connection = service.raw().await?;
    let body = weather_of("Oslo");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head + &body).await?;
    connection.read_answer(LONG).await
}

/// Every answer that either service can give is in its OpenAPI document, each problem with an example.
#[tokio::test]
async fn every_answer_is_documented() -> anyhow::Result<()> {
    let system = System::start().await?;
    for (service, paths) in [(system.ingress(0), 6), (system.proxy(0), 6)] {
        let operations = Documented::all(service).await?;
        assert_eq!(operations.len(), paths, "{}", service.name());
        for (method, path, documented) in operations {
            let what = format!("{method} {path} of {}", service.name());
            // What any route can answer with.
            for status in [404, 405, 431, 500] {
                let answer = documented.answer(status).context(what.clone())?;
                let problem = &answer["content"]["application/problem+json"];
                assert!(problem.is_object(), "{what}: {status} {answer}");
            }
            assert!(documented.answer(405)?["headers"]["Allow"].is_object());
            let own: &[u16] = match &*path {
                CITY => &[200, 400, 404, 408, 413, 415, 422, 502, 503, 504],
                "/" => &[307],
                "/health" | "/health/ready" => &[200, 503],
                _ => &[200],
            };
            for status in own {
                let answer = documented.answer(*status).context(what.clone())?;
                assert!(answer.is_object(), "{what}: {status}");
            }

            // What it does answer with.
            let well = send(service, &method, &path).await?;
            assert!(well.status < 400, "{what}: {}", well.text());
            let answer = documented.answer(well.status).context(what.clone())?;
            assert!(answer.is_object(), "{what}: {}", well.status);
            if let Some(location) = well.header("location") {
                assert_eq!((well.status, location), (307, "/swagger"), "{what}");
            }
            let wrong = send(service, "DELETE", &path).await?;
            documented
                .check(&wrong, 405, "method-not-allowed")
                .context(what.clone())?;
            let allowed = wrong.header("allow").context(what.clone())?;
            assert!(allowed.split(',').any(|name| name == method), "{what}");
            let long = format!("{path}?{}", "x".repeat(20_000));
            let long = send(service, &method, &long).await?;
            documented
                .check(&long, 431, "headers-too-large")
                .context(what.clone())?;
        }
        let unknown = send(service, "GET", "/swagger/nope").await?;
        is_problem(&unknown, 404, "not-found")?;
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

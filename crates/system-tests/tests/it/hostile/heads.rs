//! Request heads that are too large, look like others, or say things that nobody asked for.

use anyhow::Context;
use testbed::eventually;

use crate::callers::{JSON, weather_of};
use crate::problem::is_problem;
use crate::system::{Allowed, CITY, LONG, REQUESTS, System};

fn request(target: &str, fields: &str) -> String {
    let body = weather_of("Oslo");
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
    )
}

/// Row 17: more than hyper keeps. Such a head is answered below the routes, and never read to its end.
#[tokio::test]
async fn a_head_beyond_all_bounds_is_431() -> anyhow::Result<()> {
    let system = System::start().await?;
    let many: String = (0..101)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect();
    let large = format!("x: {}\r\n", "x".repeat(64 << 10));
    let name = format!("{}: x\r\n", "x".repeat(64 << 10));
    let target = format!("{CITY}?{}", "x".repeat(100 << 10));
    for (what, request) in [
        ("101 fields", request(CITY, &format!("host: t\r\n{many}"))),
        (
            "64 KiB of value",
            request(CITY, &format!("host: t\r\n{large}")),
        ),
        (
            "64 KiB of name",
            request(CITY, &format!("host: t\r\n{name}")),
        ),
        ("100 KiB of target", request(&target, "host: t\r\n")),
        ("a method of 64 KiB", "X".repeat(64 << 10)),
    ] {
        let mut connection = system.ingress(0).raw().await?;
        // It may be refused before it is sent.
        let _ = connection.send(&request).await;
        let answer = connection.read_to_close(LONG).await?;
        let answer = String::from_utf8_lossy(&answer);
        let refused = answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 400 ");
        // A connection that is closed over unread bytes may take the answer along.
        assert!(refused || answer.is_empty(), "{what}: {answer:?}");
        system.note(&format!("{what}: {:?}", answer.lines().next()));
    }
    assert_eq!(system.ask(0).await.status(), Some(200));
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Row 19: a path is what it is, not what somebody could take it for.
#[tokio::test]
async fn paths_that_look_alike_are_404() -> anyhow::Result<()> {
    let system = System::start().await?;
    for path in [
        "//WeatherForecast/city",
        "/WeatherForecast//city",
        "/WEATHERFORECAST/CITY",
        "/WeatherForecast/city%00",
        "/WeatherForecast/city%2f",
        "/WeatherForecast%2fcity",
        "/WeatherForecast/./city",
        "/WeatherForecast/x/../city",
        "/x/%2e%2e/WeatherForecast/city",
        "/WeatherForecast/city;a=b",
        "/WeatherForecast/city%20",
        "/WeatherForecast/%EF%BC%A3ity",
        "/../../../../etc/passwd",
        "/swagger/../../etc/passwd",
        "/swagger/..%2f..%2fetc%2fpasswd",
        "/swagger/%2e%2e/%2e%2e/etc/passwd",
        "/health/live/",
        "/metrics/x",
        "/%",
        "/%ff%fe",
        "/%0d%0aset-cookie:a=b",
    ] {
        for method in ["POST", "GET"] {
            let mut connection = system.ingress(0).raw().await?;
            connection
                .send(format!(
                    "{method} {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n"
                ))
                .await?;
            let answer = connection.read_answer(LONG).await?;
            // The Swagger page has files below it, all of them to GET.
            match (method, path.starts_with("/swagger/")) {
                ("POST", true) => is_problem(&answer, 405, "method-not-allowed"),
                _ => is_problem(&answer, 404, "not-found"),
            }
            .with_context(|| format!("{method} {path}"))?;
            assert!(
                !answer.text().contains("root:") && answer.header("set-cookie").is_none(),
                "{path}"
            );
        }
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// Row 21: the service has one site; by which name it was reached makes no difference, and finds its way nowhere.
#[tokio::test]
async fn a_host_is_neither_needed_nor_believed() -> anyhow::Result<()> {
    let system = System::start().await?;
    for (target, fields) in [
        (CITY.to_owned(), ""),
        (CITY.to_owned(), "host:\r\n"),
        (CITY.to_owned(), "host: evil.example\r\nhost: t\r\n"),
        (CITY.to_owned(), "host: evil.example:99999\r\n"),
        (CITY.to_owned(), "host: [::1\r\n"),
        (format!("http://evil.example{CITY}"), "host: t\r\n"),
        (format!("http://user:hunter2@evil.example:1{CITY}"), ""),
    ] {
        let mut connection = system.ingress(0).raw().await?;
        connection.send(request(&target, fields)).await?;
        let answer = connection.read_answer(LONG).await?;
        assert_eq!(answer.status, 200, "{target} {fields}: {}", answer.text());
        let said = format!("{:?} {}", answer.headers, answer.text());
        assert!(!said.contains("evil.example"), "{said}");
    }
    // Older callers: the answer ends with the connection unless they ask for more.
    let body = weather_of("Oslo");
    let length = body.len();
    let mut connection = system.ingress(0).raw().await?;
    connection
        .send(format!(
            "POST {CITY} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n\
             {body}"
        ))
        .await?;
    assert_eq!(connection.read_answer(LONG).await?.status, 200);
    assert_eq!(connection.read_to_close(LONG).await?, b"");
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Row 27: of the trace headers only a well-formed `traceparent` travels on; malformed ones and baggage by the
/// kilobyte do not reach the stream.
#[tokio::test]
async fn headers_of_others_are_carried_nowhere() -> anyhow::Result<()> {
    // Nobody takes the entries away before they were looked at.
    let system = System::builder().proxies(0).start().await?;
    let long = "x".repeat(10 << 10);
    let zero = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let pairs = format!("marker=1{}", ",a=b".repeat(1000));
    for header in [
        ("traceparent", "00-marker-00f067aa0ba902b7-01"),
        ("traceparent", &zero),
        ("traceparent", &long),
        ("tracestate", &pairs),
        ("tracestate", &long),
        ("baggage", &pairs),
        ("baggage", &long),
        ("x-b3-traceid", "marker"),
        ("grpc-trace-bin", "marker"),
    ] {
        let waiting =
            tokio::spawn(system.post(0, &[JSON, ("prefer", "wait=1"), header], weather_of("Oslo")));
        let entry = eventually(LONG, async || {
            let entries: Vec<(String, Vec<String>)> = system
                .redis()
                .command(&["XRANGE", REQUESTS, "-", "+"])
                .await?;
            entries.into_iter().next().context("nothing was enqueued")
        });
        let (_, fields) = entry.await?;
        let entry = fields.concat();
        assert!(
            !entry.contains("marker") && !entry.contains("traceparent"),
            "{header:?}: {entry}"
        );
        assert!(entry.len() < 512, "{header:?}: {entry}");
        assert_eq!(waiting.await??.status, 504, "{header:?}");
        eventually(LONG, async || {
            let left: u64 = system.redis().command(&["XLEN", REQUESTS]).await?;
            anyhow::ensure!(left == 0, "{left} are left");
            Ok(())
        })
        .await?;
    }
    let allowed =
        Allowed::nothing().counters(&["requests_timed_out_total", "requests_withdrawn_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Row 28: whom a caller says it calls for, and what it would rather have called, is nobody's business.
#[tokio::test]
async fn forged_forwarding_changes_nothing() -> anyhow::Result<()> {
    let system = System::start().await?;
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1, evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil.example"),
        ("forwarded", "for=127.0.0.1;host=evil.example;proto=https"),
        ("x-real-ip", "127.0.0.1"),
        ("x-original-url", "/metrics"),
        ("x-rewrite-url", "/metrics"),
        ("x-http-method-override", "DELETE"),
        ("x-method-override", "DELETE"),
        ("upgrade", "evil.example"),
        ("upgrade-insecure-requests", "1"),
        ("origin", "http://evil.example"),
        ("cookie", "session=evil.example"),
        ("authorization", "Bearer evil.example"),
        ("range", "bytes=0-0"),
        ("if-none-match", "*"),
        ("te", "trailers"),
        ("max-forwards", "0"),
    ] {
        let answer = system
            .post(0, &[JSON, (name, value)], weather_of("Oslo"))
            .await?;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(answer.json()?["city"], "Oslo", "{name}");
        let said = format!("{:?} {}", answer.headers, answer.text());
        assert!(
            !said.contains("evil.example") && !said.contains("http_requests"),
            "{name}: {said}"
        );
        for granted in [
            "location",
            "access-control-allow-origin",
            "set-cookie",
            "server",
        ] {
            assert_eq!(answer.header(granted), None, "{name}");
        }
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

//! One trace for a request across both services, and what a collector that is no good costs: spans.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::json;
use testbed::{Collector, Mood, Outcome, Port, RecordedSpan, eventually};

use crate::{
    callers::JSON,
    system::{Allowed, LONG, System, SystemBuilder},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// How long a collector may take.
const TIMEOUT: Duration = Duration::from_millis(500);

/// A system whose processes all send their spans there.
fn traced(url: &str) -> SystemBuilder {
    let mut builder = System::builder();
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            &TIMEOUT.as_millis().to_string(),
        ),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ] {
        builder = builder.ingress(name, value).proxy(name, value);
    }
    builder
}

async fn ask(system: &System, traceparent: &str, city: &str) -> anyhow::Result<testbed::Answer> {
    let body = json!({"city": city, "location": "Centre"}).to_string();
    let headers = [JSON, ("traceparent", traceparent)];
    system.post(0, &headers, body).await
}

async fn recorded(collector: &Collector, count: usize) -> anyhow::Result<Vec<RecordedSpan>> {
    eventually(LONG, async || {
        let spans = collector.spans();
        anyhow::ensure!(spans.len() >= count, "{spans:#?}");
        Ok(spans)
    })
    .await
}

/// From the caller's span through both services to the reply: who is whose child, which service, in which time.
#[tokio::test]
async fn one_trace_holds_a_request_across_both_services() -> anyhow::Result<()> {
    let collector = Collector::start(Mood::Well).await?;
    let system = traced(collector.url()).start().await?;
    assert_eq!(ask(&system, UNSAMPLED, "Oslo").await?.status, 200);
    let answer = ask(&system, SAMPLED, "Oslo").await?;
    assert_eq!(answer.status, 200);

    let spans = recorded(&collector, 6).await?;
    let by_name: BTreeMap<_, _> = spans.iter().map(|span| (&*span.name, span)).collect();
    let parent_of = |name: &str| {
        let parent = &by_name[name].parent;
        spans
            .iter()
            .find(|span| span.id == *parent)
            .map_or("the caller", |span| &span.name)
    };
    let shape: Vec<_> = by_name
        .iter()
        .map(|(name, span)| (*name, &*span.service, span.kind, parent_of(name)))
        .collect();
    let (send, process) = ("send weather-requests", "process weather-requests");
    let server = "POST /WeatherForecast/city";
    assert_eq!(
        shape,
        [
            (server, "ingress", 2, "the caller"),
            (process, "proxy", 5, send),
            ("queue weather-requests", "proxy", 1, send),
            (send, "ingress", 4, server),
            ("send weather-responses", "proxy", 4, send),
            ("simulated", "proxy", 1, process),
        ]
    );
    assert!(
        spans.iter().all(|span| span.trace == TRACE && !span.failed),
        "{spans:#?}"
    );
    let within = |inner: &str, outer: &str| {
        let (inner, outer) = (by_name[inner], by_name[outer]);
        assert!(
            outer.start <= inner.start && inner.end <= outer.end,
            "{spans:#?}"
        );
    };
    // It may end after the answer: the reply can be faster than the answer to the write.
    assert!(by_name[server].start <= by_name[send].start);
    within("simulated", process);
    assert!(by_name["simulated"].end - by_name["simulated"].start >= Duration::from_millis(20));
    let server = by_name[server];
    assert_eq!(server.attributes["http.response.status_code"], "200");
    assert_eq!(server.attributes["http.route"], "/WeatherForecast/city");
    let conversation = &by_name[process].attributes["messaging.message.conversation_id"];
    assert_eq!(answer.json()?["requestId"], **conversation);

    let exported = system.ingresses_sum("trace_spans_exported_total").await?;
    assert_eq!(exported, 2.0);
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    assert_eq!(collector.spans().len(), 6, "nothing of what is not sampled");
    Ok(())
}

/// Without a caller's trace the ingress begins one, if its sampler wants it, under the name that it was given.
#[tokio::test]
async fn a_trace_begins_at_the_ingress() -> anyhow::Result<()> {
    let collector = Collector::start(Mood::Well).await?;
    let system = traced(collector.url())
        .ingress("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        .ingress("OTEL_TRACES_SAMPLER_ARG", "1.0")
        .ingress("OTEL_SERVICE_NAME", "front")
        .start()
        .await?;
    assert!(matches!(
        system.ask(0).await,
        Outcome::Answer { status: 200, .. }
    ));
    let spans = recorded(&collector, 6).await?;
    let first: Vec<_> = spans.iter().filter(|it| it.parent.is_empty()).collect();
    let [first] = &first[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(
        (&*first.name, &*first.service),
        ("POST /WeatherForecast/city", "front")
    );
    assert!(spans.iter().all(|it| it.trace == first.trace), "{spans:#?}");
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// Whoever looks for the trace of a failure finds its id in the answer and in the logs of both services.
#[tokio::test]
async fn a_failure_names_its_trace() -> anyhow::Result<()> {
    let collector = Collector::start(Mood::Well).await?;
    let system = traced(collector.url())
        .proxy("SIMULATED_FAULTS", "true")
        .start()
        .await?;
    let answer = ask(&system, SAMPLED, "fail!").await?;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.json()?["traceId"], TRACE);
    for service in system.services() {
        let logged = format!(r#""trace_id":"{TRACE}""#);
        service.process().wait_for_log(&logged, LONG).await?;
    }
    let spans = recorded(&collector, 6).await?;
    let mut failed: Vec<_> = spans.iter().filter(|span| span.failed).collect();
    failed.sort_by_key(|span| &span.name);
    let failed: Vec<_> = failed
        .iter()
        .map(|span| (&*span.name, &*span.attributes["error.type"]))
        .collect();
    assert_eq!(
        failed,
        [
            ("POST /WeatherForecast/city", "502"),
            ("process weather-requests", "provider-failed"),
            ("simulated", "simulated"),
        ]
    );
    let allowed = Allowed::nothing().counters(&["weather_provider_errors_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// A collector that is dead, slow, refuses or hangs: every request is answered all the same, both services drain in
/// time, and what was lost is counted.
#[tokio::test]
async fn a_collector_that_is_no_good_costs_spans_alone() -> anyhow::Result<()> {
    let nobody = Port::reserve()?;
    let dead = format!("http://127.0.0.1:{}", nobody.number());
    let slow = Collector::start(Mood::Slow(Duration::from_millis(300))).await?;
    let refusing = Collector::start(Mood::Refuses).await?;
    // More than any batch has here.
    let rejecting = Collector::start(Mood::Rejects(u8::MAX)).await?;
    let hanging = Collector::start(Mood::Hangs).await?;
    for (url, loses) in [
        (&*dead, true),
        (slow.url(), false),
        (refusing.url(), true),
        (rejecting.url(), true),
        (hanging.url(), true),
    ] {
        let system = traced(url).ingresses(2).start().await?;
        let began = Instant::now();
        for _ in 0..20 {
            let answer = ask(&system, SAMPLED, "Oslo").await?;
            assert_eq!(answer.status, 200, "{url}: {}", answer.text());
        }
        // Had each request waited for the collector until that was given up, they would have taken ten seconds.
        let took = began.elapsed();
        assert!(took < 20 * TIMEOUT, "{url}: {took:?}");
        eventually(LONG, async || {
            let lost = system.ingresses_sum("trace_spans_dropped_total").await?;
            let exported = system.ingresses_sum("trace_spans_exported_total").await?;
            let (expected, other) = if loses {
                (lost, exported)
            } else {
                (exported, lost)
            };
            anyhow::ensure!(
                (expected, other) == (40.0, 0.0),
                "{url}: {lost} lost, {exported} exported"
            );
            Ok(())
        })
        .await?;
        system
            .finish(Allowed::nothing().requests_beside_the_history())
            .await?;
    }
    Ok(())
}

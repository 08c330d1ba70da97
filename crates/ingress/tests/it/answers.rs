//! What comes back from a worker, and what does not.

use testbed::RedisServer;
use uuid::Uuid;

use crate::support::{Ingress, PATIENCE, problem, question, worker};

#[tokio::test]
async fn the_weather_comes_back_with_its_id_and_its_times() {
    let redis = RedisServer::start().await.unwrap();
    let stage = worker(&redis, 5).await;
    for reply_stream in ["shared", "dedicated"] {
        let ingress = Ingress::ready(&redis, &["--reply-stream", reply_stream]).await;
        let answer = ingress
            .post(
                &[],
                r#"{"city": " New York ", "location":"Downtown", "more": [1]}"#,
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let weather = answer.json().unwrap();
        assert_eq!(weather["city"], "New York");
        assert_eq!(weather["location"], "Downtown");
        assert_eq!(weather["temperatureF"], 70);
        let id = weather["requestId"].as_str().unwrap();
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(id.parse::<Uuid>().unwrap().get_version_num(), 7);
        let timing = answer.header("server-timing").unwrap();
        let names: Vec<_> = timing
            .split(", ")
            .map(|entry| entry.split_once(";dur=").unwrap())
            .collect();
        assert_eq!(
            names.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["queue", "work", "total"]
        );
        assert!(
            names
                .iter()
                .all(|(_, millis)| millis.parse::<f64>().is_ok()),
            "{timing}"
        );
        assert_eq!(answer.header("preference-applied"), None);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let seen = stage.seen.lock().unwrap();
    assert_eq!(
        seen[0].body, r#"{"city":"New York","location":"Downtown"}"#,
        "the question alone is sent on"
    );
    assert_eq!(seen[0].content_type.as_deref(), Some("application/json"));
}

#[tokio::test]
async fn headers_of_the_caller_are_carried_if_they_are_well_formed() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let redis = RedisServer::start().await.unwrap();
    let stage = worker(&redis, 5).await;
    let ingress = Ingress::ready(&redis, &[]).await;

    let good = [
        ("x-request-id", "mine"),
        ("prefer", "wait=10"),
        ("traceparent", TRACE),
    ];
    let answer = ingress.post(&good, question("Oslo")).await;
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    assert_eq!(answer.header("preference-applied"), Some("wait=10"));
    assert!(
        answer.json().unwrap()["requestId"]
            .as_str()
            .unwrap()
            .parse::<Uuid>()
            .is_ok()
    );

    let bad = [
        ("x-request-id", "not mine"),
        ("prefer", "wait=soon"),
        ("traceparent", "00-nonsense"),
    ];
    let answer = ingress.post(&bad, question("Oslo")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("x-request-id"),
        answer.json().unwrap()["requestId"].as_str()
    );
    assert_eq!(answer.header("preference-applied"), None);

    let longer = [("prefer", "wait=3600")];
    assert_eq!(
        ingress
            .post(&longer, question("Oslo"))
            .await
            .header("preference-applied"),
        None
    );

    let traces: Vec<_> = stage
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|request| request.traceparent.clone())
        .collect();
    assert_eq!(traces, [Some(TRACE.to_owned()), None, None]);
}

#[tokio::test]
async fn each_failure_of_the_worker_has_its_answer() {
    let redis = RedisServer::start().await.unwrap();
    let _stage = worker(&redis, 5).await;
    let ingress = Ingress::ready(&redis, &[]).await;
    for (city, status, kind, detail) in [
        ("Atlantis", 404, "/problems/city-unknown", "Atlantis"),
        ("Failtown", 502, "/problems/provider-failed", "provider"),
        ("Panicville", 502, "/problems/terminal-failed", "terminal"),
    ] {
        let answer = ingress.ask(city).await;
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (status, kind),
            "{city}"
        );
        let text = answer.text();
        assert!(text.contains(detail), "{text}");
        assert!(
            !text.contains("10.0.0.7") && !text.contains("on purpose"),
            "{text}"
        );
    }
    assert_eq!(ingress.ask("Oslo").await.status, 200, "it goes on");
}

#[tokio::test]
async fn without_a_reply_the_deadline_is_the_callers() {
    let redis = RedisServer::start().await.unwrap();
    let ingress = Ingress::ready(&redis, &[]).await;
    let answer = ingress
        .post(&[("prefer", "wait=1")], question("Oslo"))
        .await;
    assert_eq!(
        (answer.status, problem(&answer).as_str()),
        (504, "/problems/timeout")
    );
    let left: u64 = redis.command(&["XLEN", "weather-requests"]).await.unwrap();
    assert_eq!(left, 0, "what nobody waits for is taken back");
}

#[tokio::test]
async fn many_callers_get_their_own_answers() {
    let redis = RedisServer::start().await.unwrap();
    let _stage = worker(&redis, 20).await;
    let ingress = Ingress::ready(&redis, &[]).await;
    let cities: Vec<_> = (0..200).map(|n| format!("City {n}")).collect();
    let asked = cities.iter().map(|city| async {
        let answer = ingress.ask(city).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json().unwrap()["city"], city.as_str());
    });
    let all = futures_util::future::join_all(asked);
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("all are answered");
}

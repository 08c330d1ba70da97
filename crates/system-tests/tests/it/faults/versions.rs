//! Fault 51: two versions at once, as in a rolling upgrade. The test plays the newer one, whose entries say things that
//! nobody knows yet.

use redis::Value;
use serde_json::json;
use testbed::{Outcome, eventually};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::callers::weather_of;
use crate::system::{Allowed, GROUP, LONG, REQUESTS, RESPONSES, System};

/// A stream's entries with their fields, by ids.
type Entries = Vec<(String, Vec<(String, String)>)>;

/// A newer ingress adds members to the head and fields to the entry: today's proxy serves the request as it knows it.
#[tokio::test]
async fn a_newer_ingress_is_served_by_todays_proxy() -> anyhow::Result<()> {
    let system = System::builder().ingresses(0).start().await?;
    let request = Uuid::now_v7().to_string();
    let head = json!({
        "v": 1, "reply_to": format!("{RESPONSES}:newer"), "ttl": 30_000, "tenant": "a", "priority": {"level": 3},
        "content_type": "application/json",
    });
    let envelope = format!("{head}\n{}", weather_of("Oslo"));
    let entry = [
        "XADD",
        REQUESTS,
        "*",
        "signature",
        "abc",
        &request,
        &envelope,
    ];
    system.redis().command::<String>(&entry).await?;
    let reply = eventually(LONG, async || {
        let stream = format!("{RESPONSES}:newer");
        let replies: Entries = system
            .redis()
            .command(&["XRANGE", &stream, "-", "+"])
            .await?;
        let fields = replies.into_iter().flat_map(|(_, fields)| fields);
        let mut own = fields.filter(|(name, _)| *name == request);
        own.next()
            .map(|(_, reply)| reply)
            .ok_or_else(|| anyhow::anyhow!("no reply yet"))
    })
    .await?;
    let (head, body) = reply.split_once('\n').unwrap();
    let head: serde_json::Value = serde_json::from_str(head)?;
    let body: serde_json::Value = serde_json::from_str(body)?;
    // Nothing is said of how it ended: well.
    assert_eq!((&head["v"], head.get("status")), (&json!(1), None));
    assert_eq!(
        (&body["city"], &body["requestId"]),
        (&json!("Oslo"), &json!(request))
    );
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// A newer proxy answers with members and fields beside the reply: today's ingress hands its caller the weather.
#[tokio::test]
async fn a_newer_proxy_answers_todays_ingress() -> anyhow::Result<()> {
    let system = System::builder().proxies(0).start().await?;
    let (recorder, base) = (system.recorder(), system.ingress(0).base().to_owned());
    let caller: JoinHandle<Outcome> = tokio::spawn(async move { recorder.send(&base).await });
    system.until_outstanding(1).await?;
    let group = ["XGROUP", "CREATE", REQUESTS, GROUP, "0"];
    // The first worker makes it, and there was none; the ingress may have been quicker.
    let _ = system.redis().command::<Value>(&group).await;
    let take = [
        "XREADGROUP",
        "GROUP",
        GROUP,
        "newer",
        "STREAMS",
        REQUESTS,
        ">",
    ];
    let taken: Vec<(String, Entries)> = system.redis().command(&take).await?;
    let (id, fields) = &taken[0].1[0];
    let (request, envelope) = &fields[0];
    let (head, body) = envelope.split_once('\n').unwrap();
    let head: serde_json::Value = serde_json::from_str(head)?;
    let asked: serde_json::Value = serde_json::from_str(body)?;
    assert_eq!(head["v"], 1, "{head}");
    let weather = json!({
        "requestId": request, "city": asked["city"], "location": asked["location"], "date": "2030-01-01",
        "temperatureC": 20, "temperatureF": 68, "summary": "Mild",
    });
    let told = json!({
        "v": 1, "status": "ok", "queue_us": 5, "work_us": 7, "deliveries": 1, "region": "north", "cached": true,
    });
    let reply = format!("{told}\n{weather}");
    let reply_to = head["reply_to"].as_str().unwrap_or(RESPONSES);
    let answer = ["XADD", reply_to, "*", "signature", "abc", request, &reply];
    system.redis().command::<String>(&answer).await?;
    for done in [
        ["XDEL", REQUESTS, id].as_slice(),
        &["XACK", REQUESTS, GROUP, id],
    ] {
        system.redis().command::<Value>(done).await?;
    }
    assert_eq!(caller.await?.status(), Some(200));
    let delete = ["XGROUP", "DELCONSUMER", REQUESTS, GROUP, "newer"];
    system.redis().command::<Value>(&delete).await?;
    let allowed = Allowed::nothing().counters(&["replies_undecodable_total"]);
    system.finish(allowed).await?;
    Ok(())
}

//! Text that would be more than text somewhere: in a log, in Redis, to the eye.

use anyhow::{Context, ensure};
use serde_json::Value;
use testbed::eventually;
use tokio::time::timeout;
use uuid::Uuid;

use crate::callers::{JSON, weather_of};
use crate::system::{Allowed, CITY, DEAD, LONG, REQUESTS, RESPONSES, System};

/// What a line of the attacker's own would begin with.
const FORGED: &str = "FORGED";

/// What ends, overwrites or reorders lines where they are shown.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Row 12: whatever callers send, and whatever stands in a forged reply or entry, each line of a log is one that the
/// service wrote, as text as well as in JSON.
#[tokio::test]
async fn nothing_that_callers_send_forges_a_log_line() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(0)
        .ingress("RUST_LOG", "info,service=debug")
        .start()
        .await?;
    system.add_ingress(&[("LOG_FORMAT", "text")]).await?;
    let length = weather_of("x").len();
    for ingress in [0, 1] {
        for head in [
            format!("GET /%0a{FORGED} HTTP/1.1\r\nhost: t\r\n\r\n").into_bytes(),
            format!("GET /x?%0d%0a{FORGED}=%1b%5b2J HTTP/1.1\r\nhost: t\r\n\r\n").into_bytes(),
            format!("GET /\u{2028}{FORGED} HTTP/1.1\r\nhost: t\r\n\r\n").into_bytes(),
            format!("{FORGED} /nowhere HTTP/1.1\r\nhost: t\r\n\r\n").into_bytes(),
            format!("GET /nowhere HTTP/1.1\r\nhost: t\r\nx-request-id: \u{2028}{FORGED}\r\n\r\n")
                .into_bytes(),
            format!("GET /nowhere HTTP/1.1\r\nhost: t\r\nx-request-id: a\t{FORGED}\r\n\r\n")
                .into_bytes(),
            format!("GET /nowhere HTTP/1.1\r\nhost: t\r\nx-request-id: \u{1b}[2J{FORGED}\r\n\r\n")
                .into_bytes(),
            [
                &b"GET /nowhere HTTP/1.1\r\nhost: t\r\nx-request-id: \x85\x9b"[..],
                FORGED.as_bytes(),
                b"\r\n\r\n",
            ]
            .concat(),
            format!(
                "POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: \u{2029}{FORGED}\r\n\
                 content-length: {length}\r\n\r\n{}",
                weather_of("x")
            )
            .into_bytes(),
        ] {
            let mut connection = system.ingress(ingress).raw().await?;
            connection.send(&head).await?;
            let answer = timeout(LONG, connection.read_answer(LONG)).await;
            let shown = String::from_utf8_lossy(&head).into_owned();
            let status = answer?.context(shown.clone())?.status;
            ensure!((400..500).contains(&status), "{status}: {shown}");
        }
        // Somebody else answers, with what a worker of ours would not write.
        let asked = tokio::spawn(system.post(ingress, &[JSON], weather_of("Oslo")));
        let id = taken_request(&system).await?;
        let code = format!("provider\\u000a{FORGED}\\u001b[2J\\u2028{FORGED}");
        let reply = format!(
            "{{\"v\":1,\"status\":\"failed\",\"code\":\"{code}\",\"queue_us\":1,\"work_us\":1,\"deliveries\":1}}\n\n\
             {FORGED}\r\n\u{1b}[2J{FORGED}\u{2028}{FORGED}"
        );
        let _: String = system
            .redis()
            .command(&["XADD", RESPONSES, "*", &id, &reply])
            .await?;
        let answer = asked.await??;
        ensure!(answer.status == 502, "{}", answer.text());
        ensure!(!answer.text().contains(FORGED), "{}", answer.text());
    }
    // Entries that cannot be read are told of in the log of whoever takes them.
    let id = Uuid::now_v7().to_string();
    let forged = format!("a\n{FORGED}\u{1b}[2J\u{2028}{FORGED}");
    let elsewhere = format!("{{\"v\":1,\"reply_to\":\"a\\u000a{FORGED}\\u2028\",\"ttl\":60000}}\n");
    for fields in [[&*forged, &*forged], [&*id, &*forged], [&*id, &*elsewhere]] {
        let _: String = system
            .redis()
            .command(&["XADD", REQUESTS, "*", fields[0], fields[1]])
            .await?;
    }
    system.add_proxy(&[("LOG_FORMAT", "text")]).await?;
    eventually(LONG, async || {
        let dead: u64 = system.redis().command(&["XLEN", DEAD]).await?;
        ensure!(dead == 3, "{dead} dead letters");
        Ok(())
    })
    .await?;

    for service in system.services() {
        let log = service.process().log();
        for line in log.split('\n') {
            let shown = format!("{} logged {line:?}", service.name());
            ensure!(!line.contains(is_unsafe), "{shown}");
            ensure!(!line.trim_start().starts_with(FORGED), "{shown}");
            if service.setting("LOG_FORMAT") == Some("json") && !line.is_empty() {
                let object: Value = serde_json::from_str(line).context(shown.clone())?;
                ensure!(object["level"].is_string(), "{shown}");
            }
        }
    }
    let levels = [" INFO ", " WARN ", " DEBUG ", "moved to the dead letters"];
    let allowed = Allowed::nothing()
        .dead_letters(3)
        .counters(&[
            "dead_letters_total",
            "requests_refused_total",
            "replies_unmatched_total",
            "groups_created_total",
        ])
        .errors(&levels);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Waits for the request on the stream, takes it away as a worker would, and returns its id.
async fn taken_request(system: &System) -> anyhow::Result<String> {
    eventually(LONG, async || {
        let entries: Vec<(String, Vec<String>)> = system
            .redis()
            .command(&["XRANGE", REQUESTS, "-", "+"])
            .await?;
        let (entry, fields) = entries.into_iter().next().context("nothing was enqueued")?;
        let _: u64 = system.redis().command(&["XDEL", REQUESTS, &entry]).await?;
        fields.into_iter().next().context("no field")
    })
    .await
}

/// Row 12: an entry is a line of head and a line of body. What is refused reaches Redis in no form; what is accepted
/// puts no control character there, however it was written.
#[tokio::test]
async fn an_entry_has_one_line_feed_whatever_callers_send() -> anyhow::Result<()> {
    let system = System::builder().proxies(0).start().await?;
    for city in [
        "a\\nb",
        "a\\r\\nb",
        "\\u0000",
        "a\\u001bb",
        "\\u007f",
        "a\\u0085b",
        "\\t",
        "a\\u009bb",
    ] {
        let body = format!("{{\"city\":\"{city}\",\"location\":\"x\"}}");
        assert_eq!(system.post(0, &[JSON], body).await?.status, 422, "{city}");
    }
    for raw in ["a\nb", "a\r\nb", "a\0b", "a\tb"] {
        let body = format!("{{\"city\":\"{raw}\",\"location\":\"x\"}}");
        assert_eq!(system.post(0, &[JSON], body).await?.status, 400, "{raw:?}");
    }
    let refused: u64 = system.redis().command(&["XLEN", REQUESTS]).await?;
    assert_eq!(refused, 0);

    let mut waiting = tokio::task::JoinSet::new();
    let cities = [
        "a\\\"b",
        "a\\\\nb",
        "a\\/b",
        "a\\u2028\\u2029b",
        "\\u202e",
        "\\ud83c\\udf27",
        "{}",
        "a\\u00a0b",
    ];
    for city in cities {
        // Around the question stands what JSON allows: line ends, and fields that nobody knows.
        let body = format!(
            "\r\n{{\n\"more\":\"\\n\\u0000\",\t\"city\":\"{city}\",\r\n\"location\":\"x\"}}\r\n"
        );
        waiting.spawn(system.post(0, &[JSON, ("prefer", "wait=3")], body));
    }
    system.until_outstanding(cities.len() as u64).await?;
    let entries: Vec<(String, Vec<String>)> = system
        .redis()
        .command(&["XRANGE", REQUESTS, "-", "+"])
        .await?;
    for (_, fields) in entries {
        let [id, envelope] = &fields[..] else {
            anyhow::bail!("not one field: {fields:?}");
        };
        id.parse::<Uuid>()?;
        let (head, body) = envelope.split_once('\n').context("no head")?;
        ensure!(
            !head.contains(char::is_control) && !body.contains(char::is_control),
            "{envelope:?}"
        );
        ensure!(!envelope.contains("more"), "{envelope:?}");
    }
    for answer in waiting.join_all().await {
        assert_eq!(answer?.status, 504);
    }
    let allowed =
        Allowed::nothing().counters(&["requests_timed_out_total", "requests_withdrawn_total"]);
    system.finish(allowed.requests_beside_the_history()).await?;
    Ok(())
}

/// Row 13: cities that look like each other are different cities, and each comes back as it was asked for.
#[tokio::test]
async fn what_looks_alike_is_not_made_alike() -> anyhow::Result<()> {
    let system = System::start().await?;
    for city in [
        "Oslo",
        "oslo",
        "Osl\u{43e}",
        "O\u{200b}slo",
        "O\u{ad}slo",
        "Oslo\u{200d}",
        "\u{ff2f}\u{ff53}\u{ff4c}\u{ff4f}",
        "\u{202e}olsO\u{202c}",
        "\u{2067}Oslo\u{2069}",
        "\u{feff}Oslo",
        "\u{c5}rhus",
        "A\u{30a}rhus",
        "\u{212b}rhus",
        "\u{fb01}nd",
        "a\u{2028}b",
        "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
        "Z\u{351}\u{36b}\u{343}a\u{334}lgo",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{e000}",
        "القاهرة",
        "תל אביב",
        "กรุงเทพฯ",
        "Ōsaka 大阪市",
    ] {
        let outcome = system.ask_for(0, city).await;
        assert_eq!(outcome.status(), Some(200), "{city:?}: {outcome}");
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

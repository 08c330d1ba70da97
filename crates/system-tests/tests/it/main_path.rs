//! A request and its weather.

use serde_json::json;
use testbed::Outcome;
use uuid::Uuid;

use crate::callers::JSON;
use crate::system::{Allowed, System};

/// All fields, the caller's own id echoed, the times of each part; the same city has the same weather.
#[tokio::test]
async fn a_request_is_answered_with_its_weather() -> anyhow::Result<()> {
    let system = System::start().await?;
    let body = json!({"city": " New York ", "location": "Downtown", "more": [1]}).to_string();
    let answer = system
        .post(0, &[JSON, ("x-request-id", "from-caller-7")], &*body)
        .await?;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-request-id"), Some("from-caller-7"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let weather = answer.json()?;
    let fields: Vec<_> = weather
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields.len(),
        [
            "requestId",
            "city",
            "location",
            "date",
            "temperatureC",
            "temperatureF",
            "summary"
        ]
        .iter()
        .filter(|name| fields.contains(name))
        .count(),
        "{weather}"
    );
    assert_eq!(
        (&weather["city"], &weather["location"]),
        (&json!("New York"), &json!("Downtown"))
    );
    let id: Uuid = weather["requestId"].as_str().unwrap().parse()?;
    assert_eq!(id.get_version_num(), 7);
    let celsius = weather["temperatureC"].as_f64().unwrap();
    let fahrenheit = weather["temperatureF"].as_f64().unwrap();
    assert!(
        (celsius * 9.0 / 5.0 + 32.0 - fahrenheit).abs() <= 1.0,
        "{weather}"
    );

    let timing = server_timing(answer.header("server-timing").unwrap());
    let [queue, work, total] = ["queue", "work", "total"].map(timing);
    assert!(work >= 20.0, "the processing time, but {work}");
    assert!(queue + work <= total + 1.0, "{queue} + {work} <= {total}");

    let again = system.post(0, &[JSON], &*body).await?.json()?;
    assert_ne!(again["requestId"], weather["requestId"]);
    for same in ["date", "temperatureC", "summary"] {
        assert_eq!(again[same], weather[same]);
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// What is malformed in these headers is ignored, and an id of our own stands in for it.
#[tokio::test]
async fn malformed_headers_are_ignored() -> anyhow::Result<()> {
    let system = System::start().await?;
    let body = json!({"city": "Oslo", "location": "Centre"}).to_string();
    let long = "x".repeat(200);
    for headers in [
        [JSON, ("x-request-id", "")],
        [JSON, ("x-request-id", "two words")],
        [JSON, ("x-request-id", &long)],
        [JSON, ("prefer", "wait=soon")],
        [JSON, ("prefer", "wait=-1")],
        [JSON, ("prefer", "wait=99999999999999999999")],
        [JSON, ("traceparent", "00-0-0-00")],
        [JSON, ("traceparent", &long)],
    ] {
        let answer = system.post(0, &headers, &*body).await?;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
        let id: Uuid = answer.header("x-request-id").unwrap().parse()?;
        assert_eq!(answer.json()?["requestId"], id.to_string(), "{headers:?}");
        assert_eq!(answer.header("preference-applied"), None, "{headers:?}");
    }
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Two callers may send the same id; each gets its own weather.
#[tokio::test]
async fn callers_with_the_same_id_are_not_mixed_up() -> anyhow::Result<()> {
    let system = System::start().await?;
    let ask = |city: &'static str| {
        let body = json!({"city": city, "location": "Centre"}).to_string();
        let system = &system;
        async move {
            system
                .post(0, &[JSON, ("x-request-id", "twin")], body)
                .await
        }
    };
    let (oslo, rome) = tokio::try_join!(ask("Oslo"), ask("Rome"))?;
    for (answer, city) in [(&oslo, "Oslo"), (&rome, "Rome")] {
        assert_eq!(answer.header("x-request-id"), Some("twin"));
        assert_eq!(answer.json()?["city"], city);
    }
    assert_ne!(oslo.json()?["requestId"], rome.json()?["requestId"]);
    system
        .finish(Allowed::nothing().requests_beside_the_history())
        .await?;
    Ok(())
}

/// Text of every script comes back as it went in.
#[tokio::test]
async fn any_text_comes_back_as_it_was_asked() -> anyhow::Result<()> {
    let system = System::start().await?;
    for city in [
        "東京",
        "München",
        "Mu\u{308}nchen",
        "🌧️",
        "\u{202e}olsO",
        "a\"b\\c",
        &"é".repeat(256),
    ] {
        let outcome = system.ask_for(0, city).await;
        assert!(
            matches!(outcome, Outcome::Answer { status: 200, .. }),
            "{city}: {outcome}"
        );
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// The milliseconds of each part of a `Server-Timing` header.
fn server_timing(header: &str) -> impl Fn(&str) -> f64 + '_ {
    move |part| {
        let mut parts = header
            .split(", ")
            .filter_map(|entry| entry.split_once(";dur="));
        let (_, millis) = parts.find(|(name, _)| *name == part).expect(header);
        millis.parse().expect("a number")
    }
}

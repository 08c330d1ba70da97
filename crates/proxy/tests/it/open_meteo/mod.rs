//! The Open-Meteo provider against a stub that behaves, and one that does not.

pub(crate) mod stub;
mod tls;
mod traces;

use std::time::Duration;

use common::breaker::State;
use proxy::{OpenMeteo, OpenMeteoConfig, ProviderError, Weather};
use tokio::time::{Instant, timeout};

use stub::{Answer, Stub};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn provider(config: OpenMeteoConfig) -> OpenMeteo {
    OpenMeteo::new(config).unwrap()
}

/// Asks for Berlin once.
async fn ask(stub: &Stub) -> Result<Weather, ProviderError> {
    provider(stub.config())
        .weather("Berlin", soon(), None)
        .await
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> &'a str {
    let mut values = query
        .iter()
        .filter(|(given, _)| given == name)
        .map(|(_, value)| value);
    let value = values
        .next()
        .unwrap_or_else(|| panic!("no {name} in {query:?}"));
    assert_eq!(values.next(), None, "{name} is there twice");
    value
}

#[tokio::test]
async fn the_city_is_located_and_its_weather_asked_for() {
    let stub = Stub::start([]).await;
    let weather = ask(&stub).await.unwrap();
    assert_eq!(
        (weather.date.to_string().as_str(), weather.temperature_c),
        ("2025-12-24", -2)
    );
    assert_eq!(weather.summary, "Overcast");

    let seen = stub.seen();
    assert_eq!(stub.paths(), ["/v1/search", "/v1/forecast"]);
    assert_eq!(parameter(&seen[0].query, "name"), "Berlin");
    assert_eq!(parameter(&seen[0].query, "count"), "1");
    assert_eq!(parameter(&seen[1].query, "latitude"), "52.52437");
    assert_eq!(parameter(&seen[1].query, "longitude"), "13.41053");
    assert_eq!(
        parameter(&seen[1].query, "current"),
        "temperature_2m,weather_code"
    );
    for seen in seen {
        assert!(
            seen.user_agent
                .as_deref()
                .unwrap()
                .starts_with("redis-stream-demo-proxy/")
        );
    }
}

#[tokio::test]
async fn any_name_arrives_as_it_was_written() {
    let stub = Stub::start([]).await;
    let provider = provider(stub.config());
    let cities = [
        "São Paulo",
        "東京",
        "القاهرة",
        "Zürich & Söhne #1?count=9/../%20+;=",
        "👩‍🚀 Station",
        "Sao\u{0303} Paulo",
        "a\u{202e}b",
        &"ÿ".repeat(256),
    ];
    for (index, city) in cities.iter().enumerate() {
        provider.weather(city, soon(), None).await.unwrap();
        let search = &stub.seen()[2 * index];
        assert_eq!(parameter(&search.query, "name"), *city);
        assert_eq!(parameter(&search.query, "count"), "1");
        assert_eq!(search.path, "/v1/search");
    }
}

#[tokio::test]
async fn an_unknown_city_is_named_and_blames_nobody() {
    let nothing = [
        r#"{"generationtime_ms":0.5}"#,
        r#"{"results":[],"generationtime_ms":0.5}"#,
    ];
    let answers = nothing
        .iter()
        .cycle()
        .take(30)
        .map(|body| Answer::ok(*body));
    let stub = Stub::start(answers).await;
    let provider = provider(stub.config());
    for _ in 0..30 {
        match provider.weather("Nirgendwo", soon(), None).await {
            Err(ProviderError::CityUnknown { city }) => assert_eq!(city, "Nirgendwo"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        stub.paths(),
        ["/v1/search"; 30],
        "never asked twice, never a forecast"
    );
    assert_eq!(provider.breaker().state(), State::Closed);
}

#[tokio::test]
async fn what_passes_is_retried() {
    for passing in [
        Answer::status(500),
        Answer::status(503),
        Answer::Reset,
        Answer::Noise,
    ] {
        let stub = Stub::start([passing.clone()]).await;
        let weather = ask(&stub).await;
        assert!(weather.is_ok(), "{passing:?}: {weather:?}");
        assert_eq!(
            stub.paths(),
            ["/v1/search", "/v1/search", "/v1/forecast"],
            "{passing:?}"
        );
    }
}

#[tokio::test]
async fn the_second_question_is_retried_without_the_first() {
    let located = Answer::ok(r#"{"results":[{"latitude":1.5,"longitude":-2}]}"#);
    let stub = Stub::start([located, Answer::status(500)]).await;
    ask(&stub).await.unwrap();
    assert_eq!(stub.paths(), ["/v1/search", "/v1/forecast", "/v1/forecast"]);
}

#[tokio::test]
async fn attempts_are_bounded() {
    let stub = Stub::start(vec![Answer::status(502); 10]).await;
    let error = ask(&stub).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Failed { status: 502 }),
        "{error:?}"
    );
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn what_was_refused_is_final_and_redirects_are_refused() {
    let redirect = Answer::Response(
        302,
        "location: http://127.0.0.1:9/v1/search\r\n",
        String::new(),
    );
    for (answer, expected) in [
        (Answer::status(400), 400),
        (Answer::status(403), 403),
        (Answer::status(404), 404),
        (Answer::Response(204, "", String::new()), 204),
        (redirect, 302),
    ] {
        let stub = Stub::start([answer]).await;
        let error = ask(&stub).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Rejected { status } if status == expected),
            "{error:?}"
        );
        assert_eq!(stub.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_limit_on_requests_is_waited_for() {
    let busy = Answer::Response(429, "retry-after: 1\r\n", String::new());
    let stub = Stub::start([busy]).await;
    let start = Instant::now();
    ask(&stub).await.unwrap();
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn a_limit_on_requests_that_outlasts_the_deadline_is_not_waited_for() {
    let busy = Answer::Response(429, "retry-after: 3600\r\n", String::new());
    let stub = Stub::start([busy]).await;
    // An hour and more would be waited for by a test that fails.
    let error = timeout(Duration::from_secs(60), ask(&stub))
        .await
        .expect("an answer at once")
        .unwrap_err();
    assert!(
        matches!(error, ProviderError::RateLimited { retry_after: Some(after) } if after.as_secs() == 3600),
        "{error:?}"
    );
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn a_limit_on_requests_without_a_time_is_retried() {
    let stub = Stub::start([Answer::Response(
        429,
        "retry-after: soon\r\n",
        String::new(),
    )])
    .await;
    ask(&stub).await.unwrap();
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn garbage_is_refused_and_not_asked_for_again() {
    let nested = "[".repeat(50_000);
    let searches = [
        "",
        "<html>",
        "null",
        "{}",
        "[]",
        r#"{"results":"#,
        r#"{"results":{}}"#,
        r#"{"results":[{"latitude":"52","longitude":13}]}"#,
        r#"{"results":[{"latitude":52}]}"#,
        r#"{"results":[{"latitude":null,"longitude":13}]}"#,
        r#"{"results":[{"latitude":NaN,"longitude":13}]}"#,
        r#"{"results":[{"latitude":1e999,"longitude":13}]}"#,
        r#"{"results":[{"latitude":91,"longitude":13}]}"#,
        r#"{"results":[{"latitude":0,"longitude":-1e300}]}"#,
        &nested,
    ];
    for body in searches {
        let stub = Stub::start([Answer::ok(body)]).await;
        let error = ask(&stub).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Malformed { .. }),
            "{body:.60}: {error:?}"
        );
        assert_eq!(stub.seen().len(), 1, "{body:.60}");
    }
    let current = |fields: &str| format!(r#"{{"current":{{{fields}}}}}"#);
    let forecasts = [
        "{}".to_owned(),
        current(r#""time":"2025-12-24T15:45","temperature_2m":3.5"#),
        current(r#""time":"2025-12-24T15:45","temperature_2m":null,"weather_code":3"#),
        current(r#""time":"2025-12-24T15:45","temperature_2m":"warm","weather_code":3"#),
        current(r#""time":"2025-12-24T15:45","temperature_2m":1e300,"weather_code":3"#),
        current(r#""time":"2025-12-24T15:45","temperature_2m":-273.15,"weather_code":3"#),
        current(r#""time":"2025-12-24T15:45","temperature_2m":1,"weather_code":[3]"#),
        current(r#""time":"2025-13-24T15:45","temperature_2m":1,"weather_code":3"#),
        current(r#""time":"yesterday","temperature_2m":1,"weather_code":3"#),
        current(r#""time":1766591100,"temperature_2m":1,"weather_code":3"#),
    ];
    for body in forecasts {
        let located = Answer::ok(r#"{"results":[{"latitude":1.5,"longitude":-2}]}"#);
        let stub = Stub::start([located, Answer::ok(&body)]).await;
        let error = ask(&stub).await.unwrap_err();
        assert!(
            matches!(error, ProviderError::Malformed { .. }),
            "{body}: {error:?}"
        );
        assert_eq!(stub.seen().len(), 2, "{body}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let stub = Stub::start([Answer::Endless]).await;
    let error = ask(&stub).await.unwrap_err();
    assert!(
        matches!(error, ProviderError::TooLarge { limit: 65_536 }),
        "{error:?}"
    );
    assert_eq!(stub.seen().len(), 1);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_by_each_attempt() {
    for answer in [Answer::Silence, Answer::Drip] {
        let stub = Stub::start(vec![answer; 10]).await;
        let config = OpenMeteoConfig {
            timeout: Duration::from_millis(100),
            ..stub.config()
        };
        let error = provider(config)
            .weather("Berlin", soon(), None)
            .await
            .unwrap_err();
        assert!(matches!(error, ProviderError::TimedOut), "{error:?}");
        assert_eq!(stub.seen().len(), 3);
    }
}

#[tokio::test]
async fn a_deadline_that_comes_first_ends_the_attempts_and_blames_nobody() {
    let stub = Stub::start(vec![Answer::Silence; 10]).await;
    let provider = provider(OpenMeteoConfig {
        timeout: Duration::from_secs(3600),
        ..stub.config()
    });
    for _ in 0..10 {
        let deadline = Instant::now() + Duration::from_millis(20);
        let error = timeout(
            Duration::from_secs(60),
            provider.weather("Berlin", deadline, None),
        )
        .await;
        let error = error.expect("an end by the deadline").unwrap_err();
        assert!(matches!(error, ProviderError::TimedOut), "{error:?}");
        assert!(Instant::now() >= deadline);
    }
    assert_eq!(provider.breaker().state(), State::Closed);
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone_until_it_is_well_again() {
    let stub = Stub::start(vec![Answer::status(500); 5]).await;
    let provider = provider(OpenMeteoConfig {
        attempts: 1.try_into().unwrap(),
        ..stub.config()
    });
    for _ in 0..5 {
        let error = provider.weather("Berlin", soon(), None).await.unwrap_err();
        assert!(matches!(error, ProviderError::Failed { .. }), "{error:?}");
    }
    // With the clock stopped the circuit stays open for as long as the test likes.
    tokio::time::pause();
    for _ in 0..10 {
        let error = provider.weather("Berlin", soon(), None).await.unwrap_err();
        assert!(matches!(error, ProviderError::CircuitOpen), "{error:?}");
    }
    assert_eq!(provider.breaker().state(), State::Open);
    assert_eq!(
        stub.seen().len(),
        5,
        "nothing was sent while the circuit was open"
    );

    tokio::time::advance(Duration::from_secs(30)).await;
    tokio::time::resume();
    provider.weather("Berlin", soon(), None).await.unwrap();
    assert_eq!(provider.breaker().state(), State::Closed);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unreachable() {
    // The port was free a moment ago and belongs to nobody now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let stub = Stub::start([]).await;
    let error = provider(stub.config_at(&format!("http://127.0.0.1:{port}")));
    let error = error.weather("Berlin", soon(), None).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreachable(_)), "{error:?}");
}

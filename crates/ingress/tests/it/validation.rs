//! Everything that is decided before Redis is asked.

use crate::support::{Ingress, PATIENCE, problem, question};

#[tokio::test]
async fn what_is_not_json_is_a_bad_request() {
    let ingress = Ingress::alone(&[]).await;
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let invalid_utf8 = b"{\"city\":\"\xff\",\"location\":\"x\"}".to_vec();
    let lone_surrogate = br#"{"city":"\ud800","location":"x"}"#.to_vec();
    let bom = [b"\xef\xbb\xbf".as_slice(), question("Oslo").as_bytes()].concat();
    for (what, body) in [
        ("empty", Vec::new()),
        ("truncated", br#"{"city":"Os"#.to_vec()),
        ("words", b"weather please".to_vec()),
        ("trailing", br#"{"city":"Oslo","location":"x"} {}"#.to_vec()),
        ("too deep", deep.into_bytes()),
        ("invalid UTF-8", invalid_utf8),
        ("lone surrogate", lone_surrogate),
        ("BOM", bom),
        ("huge number", br#"{"city":1e999}"#.to_vec()),
        ("NaN", br#"{"city":NaN}"#.to_vec()),
    ] {
        let answer = ingress.post(&[], body).await;
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (400, "/problems/invalid-json"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_body_that_is_empty_or_too_deep_is_told_so() {
    let ingress = Ingress::alone(&[]).await;
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"city":"","location":"x","more":{open}{close}}}"#)
    };
    for (body, sentence) in [
        (
            String::new(),
            "The body is empty; send a JSON object such as",
        ),
        (
            "\r\n ".into(),
            "The body is empty; send a JSON object such as",
        ),
        (deep(128), "arrays and objects may nest at most 127 levels"),
        (
            "[".repeat(5000),
            "arrays and objects may nest at most 127 levels",
        ),
    ] {
        let answer = ingress.post(&[], body).await;
        assert_eq!(problem(&answer), "/problems/invalid-json");
        let detail = answer.json().unwrap()["detail"].clone();
        let detail = detail.as_str().unwrap();
        assert!(
            detail.contains(sentence) && !detail.contains("broken"),
            "{detail}"
        );
    }
    let deepest = ingress.post(&[], deep(127)).await;
    assert_eq!(deepest.status, 422, "{}", deepest.text());
}

#[tokio::test]
async fn all_fields_that_break_a_rule_are_named() {
    let ingress = Ingress::alone(&[]).await;
    for (body, city, location) in [
        ("{}", "is missing", "is missing"),
        (
            r#"{"location":5,"city":" "}"#,
            "must not be empty",
            "must be a string",
        ),
        (
            r#"{"city":"a","city":"b","location":"a\u0000"}"#,
            "must be given only once",
            "must not contain control characters",
        ),
    ] {
        let answer = ingress.post(&[], body).await;
        assert_eq!(problem(&answer), "/problems/invalid-request");
        let document = answer.json().unwrap();
        assert_eq!(
            document["errors"],
            serde_json::json!({"city": [city], "location": [location]}),
            "{body}"
        );
        assert_eq!(
            document["detail"],
            format!("Correct the request: city {city}; location {location}.")
        );
    }
}

#[tokio::test]
async fn a_field_that_breaks_a_rule_is_named() {
    let ingress = Ingress::alone(&[]).await;
    let long = serde_json::json!({"city": "x".repeat(257), "location": "x"}).to_string();
    for (body, field, why) in [
        (r#"{"location":"x"}"#, "city", "is missing"),
        (r#"{"city":"Oslo"}"#, "location", "is missing"),
        (r#"{"city":5,"location":"x"}"#, "city", "must be a string"),
        (
            r#"{"city":null,"location":"x"}"#,
            "city",
            "must be a string",
        ),
        (r#"{"city":"","location":"x"}"#, "city", "must not be empty"),
        (
            r#"{"city":"Oslo","location":" \t"}"#,
            "location",
            "must not contain control characters",
        ),
        (
            r#"{"city":"Oslo","location":"   "}"#,
            "location",
            "must not be empty",
        ),
        (
            r#"{"city":"a\u0000b","location":"x"}"#,
            "city",
            "must not contain control characters",
        ),
        (
            r#"{"city":"a\r\nb","location":"x"}"#,
            "city",
            "must not contain control characters",
        ),
        (
            r#"{"city":"a","city":"b","location":"x"}"#,
            "city",
            "must be given only once",
        ),
        (&long, "city", "must be at most 256 characters long"),
        ("[]", "body", "must be a JSON object"),
        ("null", "body", "must be a JSON object"),
    ] {
        let answer = ingress.post(&[], body).await;
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (422, "/problems/invalid-request"),
            "{body}"
        );
        let errors = answer.json().unwrap()["errors"].clone();
        assert_eq!(errors, serde_json::json!({field: [why]}), "{body}");
    }
}

#[tokio::test]
async fn what_is_not_declared_as_plain_json_is_an_unsupported_media_type() {
    let ingress = Ingress::alone(&[]).await;
    for headers in [
        [].as_slice(),
        &[("content-type", "text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ],
    ] {
        let answer = ingress.post_as(headers, question("Oslo")).await;
        let kind = problem(&answer);
        assert_eq!(
            (answer.status, kind.as_str()),
            (415, "/problems/unsupported-media-type"),
            "{headers:?}"
        );
        let encoded = headers.len() == 2;
        assert_eq!(
            answer.header("accept-encoding"),
            encoded.then_some("identity")
        );
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_one() {
    let ingress = Ingress::alone(&[]).await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
        let mut wire = ingress.raw().await;
        wire.send(format!(
            "{method} /WeatherForecast/city HTTP/1.1\r\nhost: t\r\n\r\n"
        ))
        .await
        .unwrap();
        let answer = wire.read_answer(PATIENCE).await.unwrap();
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (405, "/problems/method-not-allowed"),
            "{method}"
        );
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let ingress = Ingress::alone(&[]).await;
    for path in [
        "/weatherforecast/city",
        "/WeatherForecast/city/",
        "//WeatherForecast/city",
        "/WeatherForecast%2fcity",
        "/WeatherForecast/../health",
    ] {
        let mut wire = ingress.raw().await;
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n"
        ))
        .await
        .unwrap();
        let answer = wire.read_answer(PATIENCE).await.unwrap();
        assert_eq!(
            (answer.status, problem(&answer).as_str()),
            (404, "/problems/not-found"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_problem_repeats_nothing_of_the_body() {
    let ingress = Ingress::alone(&[]).await;
    for body in [
        r#"{"secret-hunter2"#,
        r#"{"city":"secret-hunter2\u0007","location":"x"}"#,
    ] {
        let answer = ingress.post(&[], body).await;
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
}

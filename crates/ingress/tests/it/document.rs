//! The OpenAPI document and the page that shows it.

use common::message::{WeatherReply, WeatherRequest};
use serde_json::Value;
use service::ProblemDocument;
use uuid::Uuid;

use crate::support::{Ingress, PATIENCE, problem};

async fn document() -> Value {
    let ingress = Ingress::alone(&[]).await;
    ingress
        .get("/swagger/v1/swagger.json")
        .await
        .json()
        .unwrap()
}

fn operation(document: &Value) -> &Value {
    &document["paths"]["/WeatherForecast/city"]["post"]
}

fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn every_answer_is_documented_with_an_example() {
    let document = document().await;
    let responses = &operation(&document)["responses"];
    let statuses = [
        "200", "400", "404", "405", "408", "413", "415", "422", "431", "500", "502", "503", "504",
    ];
    assert_eq!(keys(responses), statuses);
    for status in statuses.into_iter().filter(|status| *status != "200") {
        let content = &responses[status]["content"]["application/problem+json"];
        assert_eq!(
            content["schema"]["$ref"], "#/components/schemas/Problem",
            "{status}"
        );
        let examples = content["examples"].as_object().unwrap();
        assert!(!examples.is_empty(), "{status}");
        for example in examples.values() {
            assert_eq!(example["value"]["status"].to_string(), status);
        }
        assert!(
            responses[status]["headers"]["X-Request-Id"].is_object(),
            "{status}"
        );
    }
    assert!(responses["503"]["headers"]["Retry-After"].is_object());
    assert!(responses["405"]["headers"]["Allow"].is_object());
    assert_eq!(
        keys(&responses["200"]["headers"]),
        ["Preference-Applied", "Server-Timing", "X-Request-Id"]
    );
}

#[tokio::test]
async fn the_headers_that_a_caller_may_send_are_documented() {
    let document = document().await;
    let parameters = operation(&document)["parameters"].as_array().unwrap();
    let names: Vec<_> = parameters
        .iter()
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Prefer", "X-Request-Id", "traceparent"]);
    assert!(
        parameters
            .iter()
            .all(|parameter| parameter["in"] == "header" && parameter["required"] != true)
    );
}

#[tokio::test]
async fn the_schemas_are_those_of_the_messages() {
    let document = document().await;
    let check = |schema: &str, message: Value| {
        let described = &document["components"]["schemas"][schema]["properties"];
        let (mut described, mut sent) = (keys(described), keys(&message));
        described.sort_unstable();
        sent.sort_unstable();
        assert_eq!(described, sent, "{schema}");
    };
    let question = WeatherRequest::new("Oslo", "x").unwrap();
    let reply = WeatherReply::new(
        Uuid::nil(),
        question.clone(),
        "2031-02-28".into(),
        1,
        "Cool".into(),
    );
    check("WeatherRequest", serde_json::to_value(&question).unwrap());
    check("WeatherReply", serde_json::to_value(&reply).unwrap());
    let problem = ProblemDocument {
        uri: "".into(),
        title: "".into(),
        status: 422,
        detail: "".into(),
        request_id: Uuid::nil(),
        trace_id: Some("".into()),
        errors: [("city".into(), vec!["is missing".into()])].into(),
    };
    check("Problem", serde_json::to_value(&problem).unwrap());
    let ingress = Ingress::alone(&[]).await;
    check("Report", ingress.get("/health").await.json().unwrap());
    check(
        "Readiness",
        ingress.get("/health/ready").await.json().unwrap(),
    );
    check(
        "Liveness",
        ingress.get("/health/live").await.json().unwrap(),
    );
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_admin_routes_are_documented() {
    let document = document().await;
    let paths = keys(&document["paths"]);
    assert_eq!(
        paths,
        [
            "/",
            "/WeatherForecast/city",
            "/health",
            "/health/live",
            "/health/ready",
            "/metrics"
        ]
    );
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let ingress = Ingress::alone(&[]).await;
    let entrance = ingress.get("/swagger").await;
    assert_eq!(
        entrance.header("location"),
        Some("/swagger/"),
        "{}",
        entrance.status
    );
    let page = ingress.get("/swagger/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(
        !page.text().contains("//"),
        "an address elsewhere: {}",
        page.text()
    );
    let script = ingress.get("/swagger/swagger-initializer.js").await;
    assert!(
        script.text().contains("/swagger/v1/swagger.json"),
        "{}",
        script.text()
    );
    assert_eq!(
        ingress.get("/swagger/swagger-ui-bundle.js").await.status,
        200
    );
    let nope = ingress.get("/swagger/nope").await;
    assert_eq!(
        (nope.status, problem(&nope).as_str()),
        (404, "/problems/not-found")
    );
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let ingress = Ingress::alone(&[]).await;
    let root = ingress.get("/").await;
    assert_eq!(
        (root.status, root.header("location")),
        (307, Some("/swagger"))
    );
    let mut wire = ingress.raw().await;
    wire.send("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    let other = wire.read_answer(PATIENCE).await.unwrap();
    assert_eq!(
        (other.status, problem(&other).as_str()),
        (405, "/problems/method-not-allowed")
    );
    assert_eq!(other.header("allow"), Some("GET,HEAD"));
}

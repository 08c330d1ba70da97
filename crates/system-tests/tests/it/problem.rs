//! Problem documents (RFC 9457), as callers must be able to rely on them.

use anyhow::{Context, ensure};
use testbed::Answer;
use uuid::Uuid;

use crate::system::{CITY, Service};

/// The answers that a service documents for one of its operations.
pub(crate) struct Documented(serde_json::Value);

impl Documented {
    /// Reads from the OpenAPI document of this ingress what it says of the weather.
    pub(crate) async fn read(ingress: &Service) -> anyhow::Result<Self> {
        let document = ingress.json("/swagger/v1/swagger.json").await?;
        Ok(Self(document["paths"][CITY]["post"]["responses"].clone()))
    }

    /// Reads from the OpenAPI document of this service what it says of each method of each path.
    pub(crate) async fn all(service: &Service) -> anyhow::Result<Vec<(String, String, Self)>> {
        let document = service.json("/swagger/v1/swagger.json").await?;
        let paths = document["paths"].as_object().context("no paths")?;
        let mut all = Vec::new();
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().context("no operations")? {
                let documented = Self(operation["responses"].clone());
                all.push((method.to_uppercase(), path.clone(), documented));
            }
        }
        Ok(all)
    }

    /// What is said of a status: a description, the id of the request, and each problem with an example. `Null` if
    /// nothing is.
    pub(crate) fn answer(&self, status: u16) -> anyhow::Result<&serde_json::Value> {
        let answer = &self.0[status.to_string()];
        if answer.is_null() {
            return Ok(answer);
        }
        let described = answer["description"].as_str();
        ensure!(described.is_some_and(|text| !text.is_empty()), "{answer}");
        ensure!(answer["headers"]["X-Request-Id"].is_object(), "{answer}");
        if let Some(problem) = answer["content"].get("application/problem+json") {
            let schema = &problem["schema"]["$ref"];
            ensure!(schema == "#/components/schemas/Problem", "{answer}");
            let examples = problem["examples"].as_object().context("no examples")?;
            ensure!(!examples.is_empty(), "{answer}");
            for example in examples.values() {
                ensure!(example["value"]["status"] == status, "{status}: {example}");
            }
        }
        Ok(answer)
    }

    /// Checks that an answer is this problem: complete, with a request id, and in the OpenAPI document.
    pub(crate) fn check(&self, answer: &Answer, status: u16, kind: &str) -> anyhow::Result<()> {
        is_problem(answer, status, kind)?;
        let documented = self.0[status.to_string()].to_string();
        ensure!(
            documented.contains(&format!("\"/problems/{kind}\"")),
            "{status} {kind} is not documented: {documented}"
        );
        Ok(())
    }
}

/// Checks that an answer is this problem: complete, and with a request id.
pub(crate) fn is_problem(answer: &Answer, status: u16, kind: &str) -> anyhow::Result<()> {
    let text = answer.text();
    ensure!(
        answer.status == status,
        "{} where {status} {kind} must be: {text}",
        answer.status
    );
    let media_type = answer.header("content-type");
    ensure!(
        media_type == Some("application/problem+json"),
        "{media_type:?} for {text}"
    );
    let problem = answer.json()?;
    ensure!(
        problem["type"] == format!("/problems/{kind}"),
        "not of type {kind}: {text}"
    );
    ensure!(
        problem["status"] == status,
        "not of status {status}: {text}"
    );
    for name in ["title", "detail"] {
        let told = problem[name].as_str().is_some_and(|told| !told.is_empty());
        ensure!(told, "no {name}: {text}");
    }
    let id = problem["requestId"].as_str().context("no request id")?;
    id.parse::<Uuid>()?;
    ensure!(
        answer.header("x-request-id").is_some(),
        "no X-Request-Id with {text}"
    );
    Ok(())
}

/// Checks that a caller is told when to come back, in whole seconds.
pub(crate) fn says_when_to_retry(answer: &Answer) -> anyhow::Result<u64> {
    let after: u64 = answer
        .header("retry-after")
        .context("no Retry-After")?
        .parse()?;
    ensure!((1..=121).contains(&after), "Retry-After: {after}");
    Ok(after)
}

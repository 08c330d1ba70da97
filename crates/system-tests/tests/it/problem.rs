//! Problem documents (RFC 9457), as callers must be able to rely on them.

use anyhow::{Context, ensure};
use testbed::Answer;
use uuid::Uuid;

use crate::system::{CITY, Service};

/// The problem kinds and statuses that an ingress documents for the weather.
pub(crate) struct Documented(serde_json::Value);

impl Documented {
    /// Reads them from the OpenAPI document that this ingress serves.
    pub(crate) async fn read(ingress: &Service) -> anyhow::Result<Self> {
        let document = ingress.json("/swagger/v1/swagger.json").await?;
        Ok(Self(document["paths"][CITY]["post"]["responses"].clone()))
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
    ensure!((1..=60).contains(&after), "Retry-After: {after}");
    Ok(after)
}

//! Whether the target is fit to be loaded, asked before the run: figures of a service that is down say nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use crate::client::Client;
use crate::failure::{Failure, printable};
use crate::target::Target;

const READY_PATH: &str = "/health/ready";
const HEALTH_PATH: &str = "/health";

/// Plenty for a service that is about to be loaded.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the run was not started, in one line.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// No answer at all.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What happened instead of an answer.
        reason: String,
    },
    /// It answers, but not with 200.
    #[error("{url} answered {status}{explanation} (--no-health-check starts all the same)")]
    NotHealthy {
        /// What was asked.
        url: String,
        /// What it answered.
        status: u16,
        /// What the target says about itself, after a colon; empty if it says nothing that can be understood.
        explanation: String,
    },
}

/// Asks the target whether it is ready, and if it is not, what ails it.
pub(crate) async fn check(client: &Client, target: &Target) -> Result<(), NotReady> {
    let url = target.url(READY_PATH);
    let status = match get(client, READY_PATH).await {
        Ok((StatusCode::OK, _)) => return Ok(()),
        Ok((status, _)) => status.as_u16(),
        Err(reason) => return Err(NotReady::Unreachable { url, reason }),
    };
    let explanation = match get(client, HEALTH_PATH).await {
        Ok((_, body)) => serde_json::from_slice(&body)
            .map(|health| explain(&health))
            .unwrap_or_default(),
        Err(_) => String::new(),
    };
    Err(NotReady::NotHealthy {
        url,
        status,
        explanation,
    })
}

async fn get(client: &Client, path: &str) -> Result<(StatusCode, bytes::Bytes), String> {
    match tokio::time::timeout(PATIENCE, client.get(path)).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(Failure::Connect(why))) => Err(format!("cannot connect: {}", printable(&why))),
        Ok(Err(Failure::Reset(how) | Failure::BadBody(how))) => Err(printable(&how)),
        Ok(Err(other)) => Err(format!("{other:?}")),
        Err(_) => Err(format!(
            "no answer within {}",
            humantime::format_duration(PATIENCE)
        )),
    }
}

/// What `/health` says: the overall status, and that of each part with the reasons why it is not well.
#[derive(Deserialize)]
struct Health {
    status: String,
    #[serde(default)]
    parts: BTreeMap<String, Part>,
}

#[derive(Deserialize)]
struct Part {
    status: String,
    #[serde(default)]
    reasons: Vec<String>,
}

/// The overall status and each part that is not well, such as `: unhealthy; redis: unhealthy, it cannot be reached`.
fn explain(health: &Health) -> String {
    let mut text = format!(": {}", health.status);
    for (name, part) in health
        .parts
        .iter()
        .filter(|(_, part)| part.status != "healthy")
    {
        text += &format!("; {name}: {}", part.status);
        for reason in &part.reasons {
            text += &format!(", {reason}");
        }
    }
    printable(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(health: &str) -> Option<String> {
        serde_json::from_str(health)
            .ok()
            .map(|health| explain(&health))
    }

    #[test]
    fn the_parts_that_are_not_well_are_named_with_the_reasons() {
        let health = r#"{"status": "unhealthy", "version": "1", "parts": {
            "redis": {"status": "unhealthy", "reasons": ["it cannot be reached"], "detail": {"role": "master"}},
            "replies": {"status": "degraded"}, "serving": {"status": "healthy"}
        }}"#;
        let expected = ": unhealthy; redis: unhealthy, it cannot be reached; replies: degraded";
        assert_eq!(explained(health).as_deref(), Some(expected));
        assert_eq!(
            explained(r#"{"status": "sad\n"}"#).as_deref(),
            Some(": sad\u{fffd}")
        );
    }

    #[test]
    fn what_is_not_understood_is_not_quoted() {
        assert_eq!(explained("<html>"), None);
        assert_eq!(explained("{}"), None);
    }
}

//! Whether the target is fit to be loaded, asked before the run: figures of a service that is down say nothing.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;

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

/// The overall state and each part that is not well, such as `: unhealthy; redis: down, connection refused`. Every
/// object with a `status` or `state` is a part.
fn explain(health: &Value) -> String {
    let mut ailing = Vec::new();
    collect(None, health, &mut ailing);
    if ailing.is_empty() {
        String::new()
    } else {
        format!(": {}", printable(&ailing.join("; ")))
    }
}

fn collect(name: Option<&str>, value: &Value, ailing: &mut Vec<String>) {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let Some(state) = text("status").or_else(|| text("state"))
        && !matches!(state, "healthy" | "ok" | "up" | "ready" | "closed")
    {
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        let reason = ["detail", "error", "message", "reason"]
            .into_iter()
            .find_map(text);
        ailing.push(format!(
            "{name}{state}{}",
            reason
                .map(|reason| format!(", {reason}"))
                .unwrap_or_default()
        ));
    }
    // Depth is bounded by the parser's own limit.
    if let Value::Object(parts) = value {
        for (name, part) in parts {
            collect(Some(name), part, ailing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_parts_that_are_not_well_are_named() {
        let health = json!({
            "status": "unhealthy",
            "redis": {"status": "down", "detail": "connection refused"},
            "breaker": {"state": "closed"},
            "parts": {"reader": {"status": "healthy"}, "group": {"status": "missing"}},
        });
        assert_eq!(
            explain(&health),
            ": unhealthy; group: missing; redis: down, connection refused"
        );
        assert_eq!(explain(&json!({"version": "1"})), "");
        assert_eq!(explain(&json!("fine")), "");
    }
}

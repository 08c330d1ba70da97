//! Two ways to speak HTTP: as a well-behaved caller does, and byte by byte.

mod client;
mod raw;

pub use client::HttpClient;
pub use raw::RawConnection;

use serde::{Deserialize, Serialize};

/// A whole HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, its transfer encoding undone.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header field of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, with replacements for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| anyhow::anyhow!("{error} in {:?}", self.text()))
    }
}

/// Why a request got no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind", content = "detail")]
pub enum Failure {
    /// No connection came about, so nothing was sent.
    #[error("could not connect: {0}")]
    Connect(String),
    /// The connection ended, or what came over it was not HTTP, before the answer was complete.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The caller gave up waiting.
    #[error("no answer within {0}")]
    NoAnswer(String),
}

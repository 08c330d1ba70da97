//! What a caller may ask for.

use std::{borrow::Cow, time::Duration};

use uuid::Uuid;

use crate::envelope::{MAX_HEAD_TEXT, MAX_TTL};

/// What one request asks for beside its body.
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) id: Option<Uuid>,
    pub(super) within: Duration,
    pub(super) content_type: Option<Cow<'static, str>>,
    pub(super) traceparent: Option<String>,
}

impl Options {
    /// A request that must be answered within this time, counted from the call; a day at most.
    pub fn within(within: Duration) -> Self {
        Self {
            id: None,
            within: within.min(MAX_TTL),
            content_type: None,
            traceparent: None,
        }
    }

    /// The correlation id. No other request of this service may have it: a reply finds its caller by the id
    /// alone. Of two callers of one client that wait under the same id the second is refused. Without this
    /// a UUIDv7 is made.
    #[must_use]
    pub fn id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// The media type of the body, for the worker. One of more than 1 KiB is left out.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<Cow<'static, str>>) -> Self {
        self.content_type = Some(content_type.into()).filter(|text| fits_head(text));
        self
    }

    /// The W3C trace context to carry to the worker. One of more than 1 KiB is left out.
    #[must_use]
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into()).filter(|text| fits_head(text));
        self
    }
}

fn fits_head(text: &str) -> bool {
    text.len() <= MAX_HEAD_TEXT
}

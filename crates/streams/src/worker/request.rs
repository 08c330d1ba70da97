//! What a handler is given.

use std::{borrow::Cow, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::Failure;

/// One delivery of a request to a handler.
#[derive(Debug, Clone)]
pub struct Request {
    /// The correlation id.
    pub id: Uuid,
    /// What the caller sent.
    pub body: Bytes,
    /// The media type of the body, if the caller named one.
    pub content_type: Option<Cow<'static, str>>,
    /// The W3C trace context, if the caller sent one.
    pub traceparent: Option<String>,
    /// When the caller stops waiting; the handler is cut then.
    pub deadline: Instant,
    /// How long the request waited on the stream, on Redis's clock.
    pub queued: Duration,
    /// How often it was delivered, this delivery included. Above 1, its work may have been done before.
    pub deliveries: u64,
}

/// A handler of any kind.
pub(super) type Handler =
    Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Bytes, Failure>> + Send + Sync>;

/// Makes a handler of what the caller of [`serve`](super::Worker::serve) gave.
pub(super) fn handler<H, F, B>(handler: H) -> Handler
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<B, Failure>> + Send + 'static,
    B: Into<Bytes>,
{
    // No `async` block: it would have room for the handler's future twice.
    Arc::new(move |request| handler(request).map(|reply| reply.map(Into::into)).boxed())
}

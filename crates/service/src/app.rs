//! What a listener serves: routes, and at most one of them by a shortcut.
//!
//! The router boxes the service, the layers and the future of a route anew for each request. Where one route gets
//! nearly all requests that is a good part of what they cost, so that it can be answered before the router is asked.
//! The shortcut is nothing but faster: the same handler is among the routes, which also know what else may be asked
//! of its path.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::Method,
    response::{IntoResponse, Response},
};
use futures_util::{FutureExt, future::BoxFuture};
use tower::Service;

use crate::{Exchanges, Problem, RequestId};

/// Routes, and perhaps a shortcut to one of them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    routes: Router,
    shortcut: Option<Arc<Shortcut>>,
}

/// One method of one path.
struct Shortcut {
    exchanges: Exchanges,
    method: Method,
    path: &'static str,
    handler: Box<dyn Fn(RequestId, Request) -> BoxFuture<'static, Response> + Send + Sync>,
}

impl From<Router> for App {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            shortcut: None,
        }
    }
}

impl App {
    /// Answers this method of this path by `handler`, in place of the route that does the same.
    #[must_use]
    pub fn shortcut<F: Future<Output = Response> + Send + 'static>(
        self,
        exchanges: &Exchanges,
        method: Method,
        path: &'static str,
        handler: impl Fn(RequestId, Request) -> F + Send + Sync + 'static,
    ) -> Self {
        let shortcut = Shortcut {
            exchanges: exchanges.clone(),
            method,
            path,
            handler: Box::new(move |id, request| handler(id, request).boxed()),
        };
        Self {
            shortcut: Some(Arc::new(shortcut)),
            ..self
        }
    }

    /// Answers one request.
    pub(crate) async fn answer(mut self, request: Request) -> Response {
        match &self.shortcut {
            Some(shortcut) if shortcut.leads_to(&request) => shortcut.answer(request).await,
            _ => match self.routes.call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        }
    }
}

impl Shortcut {
    fn leads_to(&self, request: &Request) -> bool {
        request.method() == self.method && request.uri().path() == self.path
    }

    async fn answer(&self, request: Request) -> Response {
        let answer = async |id, request| {
            // The panic itself is in the log by now; it is a bug, whoever called.
            let handled = AssertUnwindSafe(async { (self.handler)(id, request).await });
            let handled = handled.catch_unwind().await;
            handled.unwrap_or_else(|_panic| Problem::internal().into_response())
        };
        self.exchanges.exchange(self.path, request, answer).await
    }
}

impl fmt::Debug for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

//! A listener with bounds on time, size and number, and a drain that loses nobody.
//!
//! The drain, in this order:
//! 1. The signal. Readiness is off by now; new connections are accepted for `Drain::delay` more, since
//!    load balancers take a while to notice.
//! 2. What the kernel has accepted meanwhile is taken over, then the listener closes. In the other
//!    order, callers in the backlog would be reset.
//! 3. Connections are told: HTTP/2 by GOAWAY, HTTP/1 by `Connection: close` on the response in flight.
//!    An idle one stays for the linger, so that a request that crossed with the signal is answered.
//! 4. After `Drain::timeout` whatever is left is cut off.

mod activity;
mod connection;
mod limits;
mod observed;

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use common::telemetry::LogThrottle;
use hyper_util::{rt::TokioExecutor, server::conn::auto};
pub use limits::{Drain, Limits};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use crate::App;

/// How long to wait after an accept that failed for want of descriptors or memory: trying again at
/// once would spin, and nothing is freed faster by it.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How often a trouble that goes on is logged.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// What connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Serving,
    Draining,
}

/// How a listener's drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had to be cut off; 0 means that everybody was answered.
    pub cut_off: usize,
}

/// Serves `app` on `listener` until `shutdown` resolves and the drain is over.
pub async fn serve(
    listener: TcpListener,
    app: App,
    limits: Limits,
    drain: Drain,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let server = Server {
        protocol: connection::protocol(&limits),
        app,
        limits,
        permits: Arc::new(Semaphore::new(limits.max_connections)),
        stage: watch::Sender::new(Stage::Serving),
    };
    let stop = async {
        shutdown.await;
        if !drain.delay.is_zero() {
            sleep(drain.delay).await;
        }
    };
    tokio::select! {
        biased;
        () = stop => {}
        never = server.accept(&listener) => match never {},
    }
    server.close(listener);
    server.drain(drain.timeout).await
}

/// Whether an accept failed because the connection was gone by then; the next one may be well.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

struct Server {
    protocol: auto::Builder<TokioExecutor>,
    app: App,
    limits: Limits,
    permits: Arc<Semaphore>,
    stage: watch::Sender<Stage>,
}

impl Server {
    async fn accept(&self, listener: &TcpListener) -> Infallible {
        let mut throttle = LogThrottle::new(LOG_PERIOD);
        loop {
            if self.permits.available_permits() == 0 {
                let max_connections = self.limits.max_connections;
                if throttle.admit("bound", Instant::now()).is_some() {
                    tracing::warn!(
                        max_connections,
                        "connection bound reached: new callers wait until one leaves"
                    );
                }
            }
            let Ok(permit) = self.permits.clone().acquire_owned().await else {
                return pending().await;
            };
            match listener.accept().await {
                Ok((stream, _)) => self.spawn(stream, permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if throttle.admit("accept", Instant::now()).is_some() {
                        tracing::error!(%error, "cannot accept connections, trying on");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    /// Takes over what the kernel has accepted, then closes the listener.
    fn close(&self, listener: TcpListener) {
        // Asked directly: the runtime may not have noticed yet that there is something to accept.
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Ok(permit) = self.permits.clone().try_acquire_owned() {
            let accepted = listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream)
            });
            match accepted {
                Ok(stream) => self.spawn(stream, permit),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }

    fn spawn(&self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Answers are small and complete: waiting to fill a segment would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection ended before it was served");
            return;
        }
        let connection = connection::serve(
            stream,
            self.app.clone(),
            self.protocol.clone(),
            self.limits,
            self.stage.subscribe(),
        );
        tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
    }

    async fn drain(self, bound: Duration) -> Drained {
        let all = self.limits.max_connections;
        let open = || all - self.permits.available_permits();
        tracing::info!(
            connections = open(),
            "draining: no new connections, those in flight are answered"
        );
        self.stage.send_replace(Stage::Draining);
        let everyone = self
            .permits
            .acquire_many(u32::try_from(all).unwrap_or(u32::MAX));
        if timeout(bound, everyone).await.is_ok() {
            tracing::info!("drained: everybody was answered");
            return Drained { cut_off: 0 };
        }
        let cut_off = open();
        tracing::warn!(
            cut_off,
            bound_ms = bound.as_millis() as u64,
            "drain bound reached: connections are cut off"
        );
        Drained { cut_off }
    }
}

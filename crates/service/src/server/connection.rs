//! One connection from its accept to its end: HTTP/1.1 or HTTP/2 by its first bytes, with the time
//! limits that hyper does not keep.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, Version, header},
};
use futures_util::FutureExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Limits, Stage,
    activity::{Activity, Overdue},
    observed::Observed,
};
use crate::App;

/// hyper's smallest read buffer.
const SMALLEST_BUFFER: usize = 8 << 10;

/// The protocol settings that all connections of a listener share.
pub(super) fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let hard_limit = (2 * limits.max_headers).max(SMALLEST_BUFFER);
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    // The activity of a connection keeps the time of request heads, see there.
    protocol
        .http1()
        .header_read_timeout(None)
        .max_buf_size(hard_limit);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        // A caller that opens and resets streams, or provokes errors, is sent away after a few.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .max_header_list_size(u32::try_from(hard_limit).unwrap_or(u32::MAX))
        // Bounds on what a connection can make us buffer, in either direction.
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(64 << 10)
        // A peer that vanished without a word is found out even while a handler works for it.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    protocol
}

/// Serves one connection until it ends, is overdue, or the server is done with it.
pub(super) async fn serve(
    stream: TcpStream,
    app: App,
    protocol: auto::Builder<TokioExecutor>,
    limits: Limits,
    mut stage: watch::Receiver<Stage>,
) {
    let activity = Activity::new();
    let service = service_fn(|request| exchange(&app, &activity, request));
    let io = TokioIo::new(Observed::new(stream, activity.clone()));
    let mut connection = pin!(protocol.serve_connection(io, service));
    let mut alarm = pin!(sleep_until(Instant::now() + limits.header_timeout));
    let mut told_to_leave = false;
    // Made once: to ask for news anew at each poll is a queue entered and left each time.
    let mut cut_off = pin!(async {
        if stage.wait_for(|it| *it == Stage::Draining).await.is_ok() {
            activity.drain();
            let _closed = stage.changed().await;
        }
    });
    loop {
        let end = poll_fn(|cx| {
            if !told_to_leave && activity.wants_goaway() {
                told_to_leave = true;
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(End::Closed(result));
            }
            while let Some((deadline, overdue)) = activity.deadline(&limits) {
                // The clock is looked at when the alarm rings. One that rings early costs just that, so it is put
                // off when it rings, and not at each request.
                if deadline < alarm.deadline() {
                    alarm.as_mut().reset(deadline);
                }
                ready!(alarm.as_mut().poll(cx));
                if deadline <= Instant::now() {
                    return Poll::Ready(End::Overdue(overdue));
                }
                alarm.as_mut().reset(deadline);
            }
            Poll::Pending
        });
        tokio::select! {
            // In this order, so that a response that is ready together with the news is told to be the last.
            biased;
            () = &mut cut_off => return,
            end = end => match end {
                End::Overdue(Overdue::Idle) if !activity.is_draining() => {
                    activity.drain();
                    told_to_leave = true;
                    connection.as_mut().graceful_shutdown();
                }
                End::Overdue(overdue) => {
                    tracing::debug!(?overdue, "connection closed: it took too long");
                    return;
                }
                End::Closed(Err(error)) => {
                    tracing::debug!(%error, "connection failed");
                    return;
                }
                End::Closed(Ok(())) => return,
            },
        }
    }
}

/// How a connection came to its end.
enum End {
    Closed(Result<(), Box<dyn std::error::Error + Send + Sync>>),
    Overdue(Overdue),
}

/// One request. No `async fn`, nor is what this calls: each of those keeps several places for what it is given in the
/// state of the connection, which is to be small enough to be still in the cache when it is needed again.
fn exchange(
    app: &App,
    activity: &Activity,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
    let http2 = request.version() == Version::HTTP_2;
    let handling = activity.begin(http2);
    app.answer(request.map(Body::new)).map(move |mut response| {
        if !http2 && (handling.is_draining() || leaves_input_unread(response.status())) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        drop(handling);
        Ok(response)
    })
}

/// Whether this answer was given before the request was read to its end, so that what follows on the
/// connection cannot be told from the rest of it.
fn leaves_input_unread(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    )
}

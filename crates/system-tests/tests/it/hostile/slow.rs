//! Callers that take their time, by the thousand: they hold sockets, and may hold nothing else.

use std::time::{Duration, Instant};

use anyhow::ensure;
use testbed::RawConnection;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::siege::{Bounds, Siege};
use crate::system::{Allowed, BUSY, CITY, LONG, System};

/// Callers of each kind.
const EACH: usize = 600;

/// Callers that do not read; what is on its way to them fills the kernel's buffers, some megabytes each.
const UNREAD: usize = 40;

/// How often a slow caller sends a byte.
const PAUSE: Duration = Duration::from_millis(250);

/// What a connection may cost the ingress, in bytes.
const MOST_EACH: u64 = 32 << 10;

/// A large file of the Swagger page.
const LARGE: &str = "/swagger/swagger-ui-bundle.js";

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Connects and says nothing.
    Silent,
    /// Never ends its headers.
    Head,
    /// Never ends its body.
    Body,
    /// Asks once, then stays.
    Idle,
    /// Asks for more and more, and reads nothing.
    Unread,
}

/// Rows 8 to 10: everybody is cut off in time, callers beside them are served as ever, the service stays ready, and
/// memory is bounded by the number of connections.
#[tokio::test]
async fn slow_callers_by_the_thousand_hold_up_nobody() -> anyhow::Result<()> {
    let room = testbed::raise_descriptor_limit()?;
    let each = EACH.min((room as usize).saturating_sub(500) / 5);
    let system = System::builder()
        .ingress("HEADER_TIMEOUT", "4s")
        .ingress("BODY_TIMEOUT", "4s")
        .ingress("KEEP_ALIVE_TIMEOUT", "4s")
        .request_timeout(BUSY)
        .start()
        .await?;
    let mut siege = Siege::begin(system).await?;
    let mut crowd = JoinSet::new();
    for number in 0..each {
        for kind in [Kind::Silent, Kind::Head, Kind::Body, Kind::Idle] {
            crowd.spawn(call(kind, siege.system().ingress(0).raw().await?));
        }
        if number < UNREAD {
            crowd.spawn(call(Kind::Unread, siege.system().ingress(0).raw().await?));
        }
    }
    let callers = crowd.len();
    let mut held: f64 = 0.0;
    while let Some(ended) = crowd.try_join_next() {
        ended??;
    }
    while !crowd.is_empty() {
        ensure!(siege.system().ingress(0).is_ready().await?, "not ready");
        held = held.max(siege.system().ingress(0).process().open_fds()? as f64);
        sleep(Duration::from_millis(100)).await;
        while let Some(ended) = crowd.try_join_next() {
            ended??;
        }
    }
    siege.report(format!(
        "{callers} slow callers, {held} descriptors at once"
    ));
    let bounds = Bounds {
        cpu: Duration::from_secs(60),
        rss: callers as u64 * MOST_EACH + (16 << 20),
    };
    siege.end(bounds, Allowed::nothing()).await?;
    Ok(())
}

/// Is slow in one way until it is cut off.
async fn call(kind: Kind, mut connection: RawConnection) -> anyhow::Result<()> {
    let began = Instant::now();
    match kind {
        Kind::Silent => {}
        Kind::Head => {
            connection.send(format!("POST {CITY} HTTP/1.1\r\n")).await?;
            while connection.send("x").await.is_ok() {
                sleep(PAUSE).await;
                ensure!(began.elapsed() < LONG, "{kind:?}: not cut off");
            }
        }
        Kind::Body => {
            connection
                .send(format!(
                    "POST {CITY} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n\
                     content-length: 5000\r\n\r\n"
                ))
                .await?;
            while connection.send(" ").await.is_ok() {
                sleep(PAUSE).await;
                ensure!(began.elapsed() < LONG, "{kind:?}: not cut off");
            }
        }
        Kind::Idle => {
            connection
                .send("GET /health/live HTTP/1.1\r\nhost: t\r\n\r\n")
                .await?;
            let answer = connection.read_answer(LONG).await?;
            ensure!(answer.status == 200, "{kind:?}: {}", answer.text());
        }
        Kind::Unread => {
            let ask = format!("GET {LARGE} HTTP/1.1\r\nhost: t\r\n\r\n");
            connection.send(ask.repeat(40)).await?;
            // Longer than it may stay; then it is gone, whatever was still to come.
            sleep(Duration::from_secs(15)).await;
        }
    }
    let rest = connection.read_to_close(LONG).await?;
    let rest = String::from_utf8_lossy(&rest[..rest.len().min(12)]).into_owned();
    let expected: &[&str] = match kind {
        Kind::Silent | Kind::Head | Kind::Idle => &[""],
        // What it sent after the answer may have reset the connection before that was read.
        Kind::Body => &["HTTP/1.1 408", ""],
        Kind::Unread => &["HTTP/1.1 200"],
    };
    ensure!(expected.contains(&&*rest), "{kind:?}: {rest}");
    Ok(())
}

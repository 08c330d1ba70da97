//! A weather service behind the proxies, in the words of Open-Meteo, whose answers take as long as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Longer than any question.
const MAX_HEAD: usize = 8 * 1024;

/// A running upstream; it ends when it is dropped.
pub(super) struct Upstream {
    url: String,
    delay_us: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts one that takes this long for the two questions that a request for weather needs, together.
    pub(super) async fn start(takes: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let delay_us = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_us);
        let accepting = tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((stream, _)) = listener.accept().await {
                turn += 1;
                let delay = Arc::clone(&delay);
                // A proxy that leaves in the middle is no fault of this one.
                tokio::spawn(async move {
                    let _ = serve(stream, turn, &delay).await;
                });
            }
        });
        let upstream = Self {
            url,
            delay_us,
            accepting,
        };
        upstream.takes(takes);
        Ok(upstream)
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// From now on it takes this long for both questions together.
    pub(super) fn takes(&self, time: Duration) {
        let each = u64::try_from((time / 2).as_micros()).unwrap_or(u64::MAX);
        self.delay_us.store(each, Ordering::Relaxed);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers the questions of one connection, one after the other.
async fn serve(mut stream: TcpStream, mut turn: u32, delay_us: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    loop {
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > MAX_HEAD || stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let body = if head.starts_with(b"GET /search") {
            r#"{"results":[{"latitude":59.9,"longitude":10.7}]}"#
        } else {
            r#"{"current":{"time":"2026-11-21T12:00","temperature_2m":3.5,"weather_code":3}}"#
        };
        head.clear();
        // From four fifths to six fifths: answers that all take the same time would come in step for ever.
        let varied = 0.8 + 0.4 * f64::from(turn % 8) / 7.0;
        turn = turn.wrapping_add(3);
        let delay = Duration::from_micros(delay_us.load(Ordering::Relaxed));
        sleep(delay.mul_f64(varied)).await;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

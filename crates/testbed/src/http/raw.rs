//! HTTP as bytes on a socket, for what no client library would send.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Answer;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bounds on what is read from a server that may be wrong.
const MAX_LINE: u64 = 64 << 10;
const MAX_BODY: usize = 64 << 20;

/// One TCP connection to a server. What is sent and when is up to the test; answers are read one by one.
#[derive(Debug)]
pub struct RawConnection(BufReader<TcpStream>);

impl RawConnection {
    /// Connects to `127.0.0.1:5009` or `http://127.0.0.1:5009`.
    pub async fn open(base: &str) -> anyhow::Result<Self> {
        let address = base.strip_prefix("http://").unwrap_or(base);
        let connect = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
        let connect = connect
            .with_context(|| format!("no connection to {address} within {CONNECT_TIMEOUT:?}"))?;
        let stream = connect.with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends these bytes as they are. A server that has closed its side makes this an error, sooner or later.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        Ok(self.0.get_mut().write_all(bytes.as_ref()).await?)
    }

    /// Sends one byte after the other with a pause between them.
    pub async fn drip(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> anyhow::Result<()> {
        for byte in bytes.as_ref() {
            self.send([*byte]).await?;
            sleep(pause).await;
        }
        Ok(())
    }

    /// Says that nothing more will be sent; answers can still be read.
    pub async fn half_close(&mut self) -> anyhow::Result<()> {
        Ok(self.0.get_mut().shutdown().await?)
    }

    /// Reads one answer, also an interim one such as `100 Continue`; an error if it is not whole after `within`.
    /// It cannot tell an answer to HEAD, which announces a body and has none.
    pub async fn read_answer(&mut self, within: Duration) -> anyhow::Result<Answer> {
        timeout(within, self.answer())
            .await
            .with_context(|| format!("no whole answer within {within:?}"))?
    }

    /// Reads until the server closes the connection, in order or not, and returns what it still sent; an error if
    /// it is open after `within`.
    pub async fn read_to_close(&mut self, within: Duration) -> anyhow::Result<Vec<u8>> {
        timeout(within, self.rest())
            .await
            .with_context(|| format!("the connection is still open after {within:?}"))?
    }

    async fn answer(&mut self) -> anyhow::Result<Answer> {
        let status_line = self.line().await?;
        let status = status_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
            .with_context(|| format!("not a status line: {status_line:?}"))?;
        let headers = self.headers().await?;
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        answer.body = self
            .body(&answer)
            .await
            .with_context(|| format!("no whole body after status {status}"))?;
        Ok(answer)
    }

    async fn headers(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = line
                .split_once(':')
                .with_context(|| format!("not a header field: {line:?}"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    async fn body(&mut self, head: &Answer) -> anyhow::Result<Vec<u8>> {
        if matches!(head.status, 100..=199 | 204 | 304) {
            return Ok(Vec::new());
        }
        if head
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return self.chunks().await;
        }
        match head.header("content-length") {
            Some(length) => {
                self.exactly(
                    length
                        .parse()
                        .with_context(|| format!("not a length: {length:?}"))?,
                )
                .await
            }
            None => self.rest().await,
        }
    }

    async fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .with_context(|| format!("not a chunk size: {size:?}"))?;
            if size == 0 {
                self.headers().await.context("wrong trailers")?;
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            ensure!(body.len() <= MAX_BODY, "the body has over {MAX_BODY} bytes");
            ensure!(self.line().await?.is_empty(), "no line end behind a chunk");
        }
    }

    async fn rest(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // An error is the end as well: a server that refuses to read on resets the connection.
        let _ = (&mut self.0)
            .take(MAX_BODY as u64)
            .read_to_end(&mut bytes)
            .await;
        ensure!(
            bytes.len() < MAX_BODY,
            "the server sent over {MAX_BODY} bytes"
        );
        Ok(bytes)
    }

    async fn exactly(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        ensure!(length <= MAX_BODY, "{length} bytes are announced");
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = Vec::new();
        (&mut self.0)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .await?;
        match line.strip_suffix(b"\r\n") {
            Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
            None if line.is_empty() => bail!("the server closed the connection"),
            None => bail!(
                "a line without its end: {:?}",
                String::from_utf8_lossy(&line)
            ),
        }
    }
}

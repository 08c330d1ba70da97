//! One way of one connection: what is read is queued with its time, and written when the line lets it through. The
//! queue is what makes a delay a delay and not a loss of bandwidth.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::impairment::{Impairment, Way};
use super::line::Line;

const CHUNK: usize = 16 << 10;
/// Chunks on their way; more wait in the sockets' buffers.
const ON_THE_WAY: usize = 256;

/// So much of a delay that was nobody's wish is made up for, where bandwidth is little.
const MADE_UP: Duration = Duration::from_millis(50);

/// How a way came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// One side closed, and all it had said arrived.
    Closed,
    /// The line says that the connection is to be reset.
    Reset,
}

struct Chunk {
    read_at: Instant,
    bytes: Vec<u8>,
}

/// The writing end of one way.
struct Writer<'a> {
    to: WriteHalf<'a>,
    orders: watch::Receiver<Line>,
    port: u16,
    way: Way,
    /// What is wrong with the line, as last looked at.
    line: Impairment,
    /// How many bytes went through since that was ordered.
    count: u64,
    /// When the bytes sent before are through, where bandwidth is little.
    clear: Instant,
}

/// Carries one way of the connection that the server knows by `port` to its end.
pub(super) async fn pump(
    mut from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: Way,
    port: u16,
    orders: watch::Receiver<Line>,
) -> End {
    let line = orders.borrow().of(port, way);
    let mut writer = Writer {
        to,
        orders,
        port,
        way,
        line,
        count: 0,
        clear: Instant::now(),
    };
    let (queue, mut queued) = mpsc::channel(ON_THE_WAY);
    let read = async move {
        loop {
            let mut bytes = vec![0; CHUNK];
            let Ok(count @ 1..) = from.read(&mut bytes).await else {
                return;
            };
            bytes.truncate(count);
            let read_at = Instant::now();
            if queue.send(Chunk { read_at, bytes }).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some(chunk) = queued.recv().await {
            match writer.carry(chunk).await {
                Ok(End::Closed) => {}
                Ok(End::Reset) => return End::Reset,
                // Who does not read any more is not written to.
                Err(_) => break,
            }
        }
        queued.close();
        let _ = writer.to.shutdown().await;
        End::Closed
    };
    tokio::pin!(read, write);
    tokio::select! {
        end = &mut write => end,
        () = &mut read => write.await,
    }
}

impl Writer<'_> {
    async fn carry(&mut self, chunk: Chunk) -> io::Result<End> {
        let share = fastrand::f64();
        self.until_due(|line| chunk.read_at + line.delay + line.jitter.mul_f64(share))
            .await?;
        let mut bytes = chunk.bytes;
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let clear = self.clear;
            self.until_due(|line| match line.bytes_per_second {
                Some(_) => clear,
                None => Instant::now(),
            })
            .await?;
            let mut piece = self.line.piece(rest.len());
            if let Some(last) = self.line.reset_after {
                if self.count >= last {
                    return Ok(End::Reset);
                }
                piece = piece.min((last - self.count) as usize);
            }
            let (now, later) = rest.split_at_mut(piece);
            self.corrupt(now);
            self.to.write_all(now).await?;
            self.count += piece as u64;
            // A timer that was late is made up for, or slices would be as slow as timers are coarse.
            let earliest = Instant::now().checked_sub(MADE_UP).unwrap_or(self.clear);
            self.clear = self.clear.max(earliest) + self.line.takes(piece);
            rest = later;
            if self.line.slice.is_some() {
                // Lets the reader at the other end have it before the next one follows.
                tokio::task::yield_now().await;
            }
        }
        Ok(End::Closed)
    }

    fn corrupt(&self, bytes: &mut [u8]) {
        let Some(each) = self.line.corrupt_each else {
            return;
        };
        for (number, byte) in (self.count + 1..).zip(bytes) {
            if number % each == 0 {
                *byte = !*byte;
            }
        }
    }

    /// Waits until the line is open and the time that it sets has come, and follows its changes meanwhile.
    async fn until_due(&mut self, due: impl Fn(&Impairment) -> Instant) -> io::Result<()> {
        loop {
            let line = self.orders.borrow_and_update().of(self.port, self.way);
            if line != self.line {
                (self.line, self.count, self.clear) = (line, 0, Instant::now());
            }
            if !line.hold && due(&line) <= Instant::now() {
                return Ok(());
            }
            let wait = async {
                match line.hold {
                    true => std::future::pending().await,
                    false => sleep_until(due(&line)).await,
                }
            };
            tokio::select! {
                () = wait => {}
                changed = self.orders.changed() => changed.map_err(io::Error::other)?,
            }
        }
    }
}

//! A connection as bytes: commands go out in one write, then their answers are awaited, at once or some by some, one
//! exchange after the other.
//!
//! An exchange that was begun and not ended (it took too long, or whoever awaited it left) spoils the connection: the
//! next answer on it would be the answer to something else. So it refuses everything from then on.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    WireError,
    resp::{Answers, Commands, Malformed, Value},
    tls,
};
use crate::error::Fault;

/// Room that is made for a read. What was read of one exchange and is no longer needed is room for the next.
const ROOM: usize = 16 << 10;

/// A buffer that grew beyond this is given back when it is empty.
const KEPT: usize = 256 << 10;

/// What bytes come and go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection, one exchange at a time.
pub(super) struct Exchange {
    stream: Box<dyn Stream>,
    read: BytesMut,
    answers: Answers,
    /// How many answers are still to come.
    owed: usize,
    /// Something was broken off. Set while anything is under way, since what is dropped cannot set it any more.
    spoilt: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the server closed the connection")]
    Closed,
    #[error("there was no answer within {0:?}")]
    TimedOut(Duration),
    #[error("an exchange on this connection was broken off")]
    Spoilt,
    #[error("the server sent what nobody asked for")]
    Unasked,
    /// It said why and closed the connection, since it has too many for instance.
    #[error("the server closed the connection: {}", String::from_utf8_lossy(.0))]
    TurnedAway(Bytes),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Io(io::Error),
}

impl Exchange {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            answers: Answers::default(),
            owed: 0,
            spoilt: false,
        }
    }

    /// Sends these commands and gives one answer for each, refusals included.
    pub(super) async fn send(
        &mut self,
        commands: Commands,
        within: Duration,
    ) -> Result<Vec<Value>, Unanswered> {
        let count = commands.count();
        let both = async {
            self.write(commands).await?;
            self.read_answers(count).await
        };
        in_time(within, both).await
    }

    /// Sends these commands, whose [answers](Self::answers) are all to be asked for before anything else is sent.
    pub(super) async fn begin(
        &mut self,
        commands: Commands,
        within: Duration,
    ) -> Result<(), Unanswered> {
        in_time(within, self.write(commands)).await
    }

    /// The next so many answers to what was sent, refusals included.
    pub(super) async fn answers(
        &mut self,
        count: usize,
        within: Duration,
    ) -> Result<Vec<Value>, Unanswered> {
        in_time(within, self.read_answers(count)).await
    }

    /// Whether something can be sent. A connection that was closed while nobody used it is found out here, before
    /// anything is lost on it; as long as nothing came in this asks the system nothing.
    fn ready(&mut self) -> Result<(), Unanswered> {
        if self.spoilt || self.owed > 0 {
            return Err(Unanswered::Spoilt);
        }
        if !self.read.is_empty() {
            return Err(Unanswered::Unasked);
        }
        match self.stream.read_buf(&mut self.read).now_or_never() {
            None => Ok(()),
            Some(Ok(0)) => Err(Unanswered::Closed),
            Some(Ok(_)) => match self.answers.next(&mut self.read)? {
                Some(Value::Error(words)) => Err(Unanswered::TurnedAway(words)),
                _ => Err(Unanswered::Unasked),
            },
            Some(Err(error)) => Err(error.into()),
        }
    }

    async fn write(&mut self, mut commands: Commands) -> Result<(), Unanswered> {
        self.ready()?;
        self.spoilt = true;
        self.stream.write_all(commands.bytes()).await?;
        self.stream.flush().await?;
        self.owed = commands.count();
        self.spoilt = false;
        Ok(())
    }

    async fn read_answers(&mut self, count: usize) -> Result<Vec<Value>, Unanswered> {
        if self.spoilt || count > self.owed {
            return Err(Unanswered::Spoilt);
        }
        self.spoilt = true;
        let mut answers = Vec::with_capacity(count);
        while answers.len() < count {
            if let Some(answer) = self.answers.next(&mut self.read)? {
                answers.push(answer);
                continue;
            }
            self.read.reserve(ROOM);
            let ended = match self.stream.read_buf(&mut self.read).await {
                Ok(0) => Unanswered::Closed,
                Ok(_) => continue,
                Err(error) => error.into(),
            };
            return match answers.pop() {
                Some(Value::Error(words)) if answers.is_empty() => {
                    Err(Unanswered::TurnedAway(words))
                }
                _ => Err(ended),
            };
        }
        self.owed -= count;
        self.spoilt = false;
        if self.read.is_empty() && self.read.capacity() > KEPT {
            self.read = BytesMut::new();
        }
        Ok(answers)
    }
}

async fn in_time<T>(
    within: Duration,
    exchange: impl Future<Output = Result<T, Unanswered>>,
) -> Result<T, Unanswered> {
    timeout(within, exchange)
        .await
        .unwrap_or(Err(Unanswered::TimedOut(within)))
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<Unanswered> for WireError {
    fn from(unanswered: Unanswered) -> Self {
        let fault = match &unanswered {
            Unanswered::TimedOut(_) => Fault::Timeout,
            Unanswered::Io(error) => return io_fault(error),
            Unanswered::Closed
            | Unanswered::Spoilt
            | Unanswered::Unasked
            | Unanswered::TurnedAway(_)
            | Unanswered::Malformed(_) => Fault::Disconnected,
        };
        Self::new(fault, unanswered.to_string())
    }
}

/// The fault in an error of the system, or of TLS.
pub(super) fn io_fault(error: &io::Error) -> WireError {
    if let Some(advice) = tls::advice(error) {
        return WireError::new(Fault::Tls, advice);
    }
    let fault = match error.kind() {
        io::ErrorKind::TimedOut => Fault::Timeout,
        _ => Fault::Disconnected,
    };
    WireError::new(fault, error.to_string())
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn connected() -> (Exchange, DuplexStream) {
        let (here, there) = duplex(1 << 10);
        (Exchange::new(Box::new(here)), there)
    }

    fn pings(count: usize) -> Commands {
        let mut commands = Commands::new();
        for _ in 0..count {
            commands.cmd("PING");
        }
        commands
    }

    async fn refusal(exchange: &mut Exchange) -> String {
        let answers = exchange.send(pings(2), SHORT).await;
        answers.expect_err("no answers").to_string()
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_their_commands() {
        let (mut exchange, mut server) = connected();
        server.write_all(b"").await.expect("open");
        let answering = async {
            let mut asked = [0; 28];
            server.read_exact(&mut asked).await.expect("both");
            server
                .write_all(b"+first\r\n$6\r\nsec")
                .await
                .expect("open");
            tokio::task::yield_now().await;
            server.write_all(b"ond\r\n").await.expect("open");
        };
        let (answers, ()) = tokio::join!(exchange.send(pings(2), SHORT), answering);
        let text = |text: &'static str| Value::Text(text.into());
        assert_eq!(answers.expect("two"), [text("first"), text("second")]);
    }

    #[tokio::test]
    async fn answers_are_asked_for_some_by_some_and_all_before_anything_else_is_sent() {
        let (mut exchange, mut server) = connected();
        exchange.begin(pings(3), SHORT).await.expect("sent");
        server.write_all(b":1\r\n:2\r\n").await.expect("open");
        let first = exchange.answers(2, SHORT).await;
        assert_eq!(first.expect("two"), [Value::Int(1), Value::Int(2)]);
        assert!(refusal(&mut exchange).await.contains("broken off"));
        assert!(exchange.answers(2, SHORT).await.is_err(), "one is left");
        server.write_all(b":3\r\n").await.expect("open");
        let last = exchange.answers(1, SHORT).await;
        assert_eq!(last.expect("the third"), [Value::Int(3)]);
        exchange.begin(pings(1), SHORT).await.expect("sent again");
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_not_written_to() {
        let (mut exchange, server) = connected();
        drop(server);
        assert!(
            refusal(&mut exchange)
                .await
                .ends_with("closed the connection")
        );
        assert!(!exchange.spoilt, "nothing was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_and_not_ended_spoils_the_connection() {
        let (mut exchange, mut server) = connected();
        assert!(refusal(&mut exchange).await.contains("no answer within 1s"));
        server.write_all(b"+late\r\n").await.expect("open");
        assert!(refusal(&mut exchange).await.contains("broken off"));

        let (mut exchange, _server) = connected();
        assert!(exchange.send(pings(1), SHORT).now_or_never().is_none());
        assert!(refusal(&mut exchange).await.contains("broken off"));
    }

    #[tokio::test]
    async fn what_nobody_asked_for_is_no_answer() {
        let (mut exchange, mut server) = connected();
        server.write_all(b"+hello\r\n").await.expect("open");
        assert!(refusal(&mut exchange).await.contains("nobody asked for"));
    }

    #[tokio::test]
    async fn a_server_that_says_why_it_closes_is_quoted() {
        let (mut exchange, mut server) = connected();
        server.write_all(b"-ERR too many\r\n").await.expect("open");
        assert!(refusal(&mut exchange).await.ends_with(": ERR too many"));

        let (mut exchange, mut server) = connected();
        let answering = async {
            let mut asked = [0; 28];
            server.read_exact(&mut asked).await.expect("both");
            server.write_all(b"-ERR too many\r\n").await.expect("open");
            drop(server);
        };
        let (refusal, ()) = tokio::join!(refusal(&mut exchange), answering);
        assert!(refusal.ends_with(": ERR too many"), "{refusal}");
    }

    #[tokio::test]
    async fn what_is_no_resp_ends_the_exchange() {
        let (mut exchange, mut server) = connected();
        let answering = async {
            let mut asked = [0; 28];
            server.read_exact(&mut asked).await.expect("both");
            server
                .write_all(b"HTTP/1.1 400 Bad Request\r\n")
                .await
                .expect("open");
        };
        let (refusal, ()) = tokio::join!(refusal(&mut exchange), answering);
        assert!(refusal.contains("does not speak the protocol"), "{refusal}");
    }
}

//! A connection as bytes: commands go out in one write, then their answers are awaited, one exchange after the other.
//!
//! An exchange that was begun and not ended (it took too long, or whoever awaited it left) spoils the connection: the
//! next answer on it would be the answer to something else. So it refuses everything from then on.

use std::{io, time::Duration};

use bytes::BytesMut;
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
            spoilt: false,
        }
    }

    /// Sends these commands and gives one answer for each, refusals included.
    pub(super) async fn send(
        &mut self,
        mut commands: Commands,
        within: Duration,
    ) -> Result<Vec<Value>, Unanswered> {
        self.ready()?;
        self.spoilt = true;
        let answers = timeout(within, self.exchange(&mut commands))
            .await
            .unwrap_or(Err(Unanswered::TimedOut(within)))?;
        self.spoilt = false;
        if self.read.is_empty() && self.read.capacity() > KEPT {
            self.read = BytesMut::new();
        }
        Ok(answers)
    }

    /// Whether something can be sent. A connection that was closed while nobody used it is found out here, before
    /// anything is lost on it; as long as nothing came in this asks the system nothing.
    fn ready(&mut self) -> Result<(), Unanswered> {
        if self.spoilt {
            return Err(Unanswered::Spoilt);
        }
        if !self.read.is_empty() {
            return Err(Unanswered::Unasked);
        }
        match self.stream.read_buf(&mut self.read).now_or_never() {
            None => Ok(()),
            Some(Ok(0)) => Err(Unanswered::Closed),
            Some(Ok(_)) => Err(Unanswered::Unasked),
            Some(Err(error)) => Err(error.into()),
        }
    }

    async fn exchange(&mut self, commands: &mut Commands) -> Result<Vec<Value>, Unanswered> {
        let count = commands.count();
        self.stream.write_all(commands.bytes()).await?;
        self.stream.flush().await?;
        let mut answers = Vec::with_capacity(count);
        while answers.len() < count {
            if let Some(answer) = self.answers.next(&mut self.read)? {
                answers.push(answer);
                continue;
            }
            self.read.reserve(ROOM);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(Unanswered::Closed);
            }
        }
        Ok(answers)
    }
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

//! How much lies on a stream, and what memory that takes.
//!
//! Unless it is told, `MEMORY USAGE` looks at five nodes of a stream, the oldest, and takes all for as large. Where
//! small replies lie before large ones it was seen to say 57 MiB of 1,865.

use super::{
    Connection, WireError,
    answer::count,
    fault::checked,
    resp::{Commands, Value},
};

/// Most nodes that are looked at; Redis does nothing else for the two or three milliseconds that so many take. A node
/// has 4 KiB unless a single entry has more, so that this is all of a stream of 200 MB and more.
const NODES: u64 = 50_000;

/// What lies on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub entries: u64,
    pub bytes: u64,
}

impl Size {
    /// Of each of these streams.
    pub(crate) async fn of_each(
        connection: &mut Connection,
        streams: &[String],
    ) -> Result<Vec<Self>, WireError> {
        let mut commands = Commands::new();
        for stream in streams {
            Self::ask(&mut commands, stream);
        }
        let mut answers = connection.send(commands).await?.into_iter();
        let sizes = streams.iter().map(|_| Self::answered(&mut answers));
        sizes.collect()
    }

    /// Adds the commands that ask for it.
    pub(super) fn ask(commands: &mut Commands, stream: &str) {
        commands.cmd("XLEN").arg(stream);
        commands.cmd("MEMORY").arg("USAGE").arg(stream);
        commands.arg("SAMPLES").arg(NODES);
    }

    /// By the answers to these commands. A stream that does not exist has nothing.
    pub(super) fn answered(answers: &mut impl Iterator<Item = Value>) -> Result<Self, WireError> {
        let entries = count(&checked(answers.next().unwrap_or_default())?)?;
        let bytes = match checked(answers.next().unwrap_or_default())? {
            Value::Nil => 0,
            bytes => count(&bytes)?,
        };
        Ok(Self { entries, bytes })
    }
}

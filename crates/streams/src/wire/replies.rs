//! Reading a reply stream, and keeping it short.

use std::time::Duration;

use super::{
    Connection, Entry, EntryId, WireError,
    answer::{array, redis_time, text},
    entry::{entry_id, streams},
    fault::checked,
    resp::{Commands, Value},
    size::Size,
};

/// Most steps in which a stream is cut to its bytes.
const MOST_CUTS: usize = 4;

/// A reply stream and how far it was read.
#[derive(Debug)]
pub(crate) struct ReplyStreamReader {
    pub stream: String,
    position: Option<EntryId>,
}

impl ReplyStreamReader {
    pub(crate) fn new(stream: String) -> Self {
        Self {
            stream,
            position: None,
        }
    }

    /// Finds the place to read on from. The first time that is the end of the stream; after a
    /// reconnect it is where reading stopped, unless the stream ends before that: then it was begun anew or
    /// the server lost its tail, and all it holds now is read. So is all of a stream that is gone and
    /// comes back.
    pub(crate) async fn resume(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Resumed, WireError> {
        let (position, resumed) = match (self.position, self.end(connection).await?) {
            (None, end) => (end.unwrap_or(EntryId::ZERO), Resumed::InPlace),
            (Some(position), Some(end)) if position <= end => (position, Resumed::InPlace),
            (Some(_), Some(_)) => (EntryId::ZERO, Resumed::Rewound),
            (Some(EntryId::ZERO), None) => (EntryId::ZERO, Resumed::InPlace),
            (Some(_), None) => (EntryId::ZERO, Resumed::Gone),
        };
        self.position = Some(position);
        Ok(resumed)
    }

    /// The next entries, `most` of them, waiting up to `block` for the first.
    pub(crate) async fn read(
        &mut self,
        connection: &mut Connection,
        most: usize,
        block: Duration,
    ) -> Result<Vec<Entry>, WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("XREAD")
            .arg("COUNT")
            .arg(most)
            .arg("BLOCK")
            .arg(block.as_millis().max(1) as u64);
        commands
            .arg("STREAMS")
            .arg(&self.stream)
            .arg(self.position.unwrap_or(EntryId::ZERO));
        connection.begin(commands).await?;
        let answer = connection.answers(1, block).await?.pop();
        let entries = streams(answer.unwrap_or_default())?;
        if let Some(last) = entries.last() {
            self.position = Some(last.id);
        }
        Ok(entries)
    }

    /// Drops entries older than `retention` on Redis's clock, then the oldest beyond `most_bytes`, both to
    /// the nearest node of the stream. `LIMIT 0`, since an approximate trim otherwise stops after ten
    /// thousand entries, and more than that may come between two.
    pub(crate) async fn trim(
        stream: &str,
        connection: &mut Connection,
        retention: Duration,
        most_bytes: u64,
    ) -> Result<(), WireError> {
        let mut commands = Commands::new();
        commands.cmd("TIME");
        let oldest = redis_time(connection.one(commands).await?)?.saturating_sub(retention);
        let mut size = cut(stream, connection, "MINID", oldest.as_millis() as u64).await?;
        // By the mean of all entries. Where the latest are larger, it takes a few steps.
        for _ in 0..MOST_CUTS {
            if size.bytes <= most_bytes {
                break;
            }
            let keep = u128::from(size.entries) * u128::from(most_bytes) / u128::from(size.bytes);
            let keep = u64::try_from(keep).unwrap_or(u64::MAX);
            size = cut(stream, connection, "MAXLEN", keep).await?;
        }
        Ok(())
    }

    /// The last id of the stream, if there is one.
    async fn end(&self, connection: &mut Connection) -> Result<Option<EntryId>, WireError> {
        let mut commands = Commands::new();
        commands.cmd("EXISTS").arg(&self.stream);
        commands.cmd("XINFO").arg("STREAM").arg(&self.stream);
        let mut answers = connection.send(commands).await?.into_iter();
        if checked(answers.next().unwrap_or_default())? == Value::Int(0) {
            return Ok(None);
        }
        let mut fields = array(checked(answers.next().unwrap_or_default())?)?.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            if text(name)? == "last-generated-id" {
                return Ok(Some(entry_id(&value)?));
            }
        }
        Err(WireError::unexpected("XINFO STREAM"))
    }
}

/// Cuts the oldest off a stream, and looks what is left.
async fn cut(
    stream: &str,
    connection: &mut Connection,
    by: &str,
    threshold: u64,
) -> Result<Size, WireError> {
    let mut commands = Commands::new();
    commands.cmd("XTRIM").arg(stream).arg(by).arg("~");
    commands.arg(threshold).arg("LIMIT").arg(0_u64);
    Size::ask(&mut commands, stream);
    let mut answers = connection.send(commands).await?.into_iter();
    checked(answers.next().unwrap_or_default())?;
    Size::answered(&mut answers)
}

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// Where it stopped, or at the end for a new reader.
    InPlace,
    /// At the start: the stream is not the one that was read before.
    Rewound,
    /// At the start of a stream that is to come: the one that was read is gone.
    Gone,
}

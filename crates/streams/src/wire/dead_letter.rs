//! Writing to the dead-letter stream.

use bytes::Bytes;

use super::{
    Connection, EntryId, WireError,
    fault::checked,
    resp::{Commands, Value},
};
use crate::keys::StreamNames;

/// A request that nobody can work on, as it lay on the stream.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub entry: EntryId,
    pub cause: &'a str,
    pub detail: &'a str,
    pub deliveries: u64,
    pub consumer: &'a str,
    pub fields: &'a [(Bytes, Bytes)],
}

impl DeadLetter<'_> {
    /// Writes the letter: what is known of it first, then the raw fields in their order. The oldest letters
    /// beyond `most` are dropped.
    pub(crate) async fn write(
        &self,
        names: &StreamNames,
        most: u64,
        connection: &mut Connection,
    ) -> Result<(), WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("XADD")
            .arg(names.dead_letters())
            .arg("MAXLEN")
            .arg(most)
            .arg("*");
        commands
            .arg("dead-cause")
            .arg(self.cause)
            .arg("dead-detail")
            .arg(self.detail);
        commands
            .arg("dead-deliveries")
            .arg(self.deliveries)
            .arg("dead-entry")
            .arg(self.entry);
        commands.arg("dead-consumer").arg(self.consumer);
        for (name, value) in self.fields {
            commands.arg(&name[..]).arg(&value[..]);
        }
        match checked(connection.one(commands).await?)? {
            Value::Nil => Err(WireError::unexpected("XADD")),
            _id => Ok(()),
        }
    }
}

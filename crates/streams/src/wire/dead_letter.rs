//! Writing to the dead-letter stream.

use redis::Value;

use super::{Connection, EntryId, WireError, fault::checked};
use crate::keys::StreamNames;

/// A request that nobody can work on, as it lay on the stream.
#[derive(Debug)]
pub(crate) struct DeadLetter<'a> {
    pub entry: EntryId,
    pub cause: &'a str,
    pub detail: &'a str,
    pub deliveries: u64,
    pub consumer: &'a str,
    pub fields: &'a [(Vec<u8>, Vec<u8>)],
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
        let mut pipe = redis::pipe();
        pipe.cmd("XADD")
            .arg(names.dead_letters())
            .arg("MAXLEN")
            .arg(most)
            .arg("*");
        pipe.arg("dead-cause")
            .arg(self.cause)
            .arg("dead-detail")
            .arg(self.detail);
        pipe.arg("dead-deliveries")
            .arg(self.deliveries)
            .arg("dead-entry")
            .arg(self.entry);
        pipe.arg("dead-consumer").arg(self.consumer);
        for (name, value) in self.fields {
            pipe.arg(&name[..]).arg(&value[..]);
        }
        match checked(connection.one(&pipe).await?)? {
            Value::Nil => Err(WireError::unexpected("XADD")),
            _id => Ok(()),
        }
    }
}

//! What a client writes to the request stream: new entries, withdrawals, and the length asked for in
//! the same breath.
//!
//! Several entries are added in one transaction. A worker that waits would otherwise be served as soon as the first
//! of them is there, and come back for the rest: two reads, two replies, two acknowledgements. A client without the
//! right to `MULTI` adds them one by one, all the same in one write.

use bytes::BytesMut;
use uuid::Uuid;

use super::{
    Connection, EntryId, WireError,
    answer::count,
    entry::entry_id,
    fault::checked,
    resp::{Commands, Value},
    transaction::carried_out,
};

/// About what an entry takes with a short body.
const BYTES_PER_ENTRY: usize = 200;

/// Commands that go out in one write.
pub(crate) struct RequestBatch {
    commands: Commands,
    adds: usize,
    transaction: bool,
    withdraws: bool,
}

/// How a batch was taken.
#[derive(Debug)]
pub(crate) struct Written {
    /// For each entry, in order, its id or why it was refused.
    pub added: Vec<Result<EntryId, WireError>>,
    /// How many entries were still there to be taken back.
    pub withdrawn: u64,
    /// The length of the request stream behind this batch.
    pub outstanding: Result<u64, WireError>,
}

impl RequestBatch {
    /// Adds entries of one field, and takes others back that nobody waits for.
    pub(crate) fn new(
        stream: &str,
        entries: impl ExactSizeIterator<Item = (Uuid, BytesMut)>,
        withdrawals: &[EntryId],
    ) -> Self {
        let adds = entries.len();
        let transaction = adds > 1;
        let mut commands = Commands::with_capacity(BYTES_PER_ENTRY * (adds + 1));
        if transaction {
            commands.cmd("MULTI");
        }
        for (id, value) in entries {
            let add = commands.cmd("XADD").arg(stream).arg("*");
            add.arg(id).arg(&value[..]);
        }
        if transaction {
            commands.cmd("EXEC");
        }
        if !withdrawals.is_empty() {
            commands.cmd("XDEL").arg(stream).arg(withdrawals);
        }
        commands.cmd("XLEN").arg(stream);
        Self {
            commands,
            adds,
            transaction,
            withdraws: !withdrawals.is_empty(),
        }
    }

    /// Sends the batch. An error here leaves open what was carried out.
    pub(crate) async fn send(self, connection: &mut Connection) -> Result<Written, WireError> {
        let mut answers = connection.send(self.commands).await?.into_iter();
        let added = if self.transaction {
            // The answers to `MULTI` and `EXEC` are around those to the entries.
            carried_out(answers.by_ref().take(self.adds + 2).collect())?
        } else {
            Ok(answers.by_ref().take(self.adds).collect())
        };
        let added = match added {
            Ok(answers) if answers.len() == self.adds => {
                answers.into_iter().map(added_id).collect()
            }
            Ok(_) => return Err(WireError::unexpected("XADD")),
            Err(refusal) => vec![Err(refusal); self.adds],
        };
        let withdrawn = if self.withdraws {
            // A withdrawal that Redis refused costs a worker one look at an expired entry, no more.
            checked(answers.next().unwrap_or_default())
                .and_then(|deleted| count(&deleted))
                .unwrap_or(0)
        } else {
            0
        };
        let outstanding =
            checked(answers.next().unwrap_or_default()).and_then(|length| count(&length));
        Ok(Written {
            added,
            withdrawn,
            outstanding,
        })
    }
}

fn added_id(answer: Value) -> Result<EntryId, WireError> {
    entry_id(&checked(answer)?)
}

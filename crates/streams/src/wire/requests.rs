//! What a client writes to the request stream: new entries, withdrawals, and the length asked for in
//! the same breath.

use super::{
    Connection, EntryId, WireError,
    entry::{count, text},
    fault::checked,
    resp::Commands,
};

/// About what an entry takes with a short body.
const BYTES_PER_ENTRY: usize = 300;

/// Commands that go out in one write.
pub(crate) struct RequestBatch {
    commands: Commands,
    added: usize,
    withdrawn: bool,
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
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Self {
            commands: Commands::with_capacity(BYTES_PER_ENTRY * (entries + 1)),
            added: 0,
            withdrawn: false,
        }
    }

    /// Adds an entry of one field.
    pub(crate) fn add(&mut self, stream: &str, field: &str, value: &[u8]) {
        self.commands
            .cmd("XADD")
            .arg(stream)
            .arg("*")
            .arg(field)
            .arg(value);
        self.added += 1;
    }

    /// Takes entries back that nobody waits for.
    pub(crate) fn withdraw(&mut self, stream: &str, ids: &[EntryId]) {
        self.commands.cmd("XDEL").arg(stream).arg(ids);
        self.withdrawn = true;
    }

    /// Sends the batch. An error here leaves open what was carried out.
    pub(crate) async fn send(
        mut self,
        connection: &mut Connection,
        stream: &str,
    ) -> Result<Written, WireError> {
        self.commands.cmd("XLEN").arg(stream);
        let mut answers = connection.send(self.commands).await?.into_iter();
        let added = answers
            .by_ref()
            .take(self.added)
            .map(|answer| text(checked(answer)?)?.parse())
            .collect();
        let withdrawn = if self.withdrawn {
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

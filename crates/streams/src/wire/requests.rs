//! What a client writes to the request stream: new entries, withdrawals, and the length asked for in
//! the same breath.

use redis::Pipeline;

use super::{
    Connection, EntryId, WireError,
    entry::{count, text},
    fault::checked,
};

/// Commands that go out in one write.
pub(crate) struct RequestBatch {
    pipe: Pipeline,
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
            pipe: Pipeline::with_capacity(entries + 2),
            added: 0,
            withdrawn: false,
        }
    }

    /// Adds an entry of one field.
    pub(crate) fn add(&mut self, stream: &str, field: &str, value: &[u8]) {
        self.pipe
            .cmd("XADD")
            .arg(stream)
            .arg("*")
            .arg(field)
            .arg(value);
        self.added += 1;
    }

    /// Takes entries back that nobody waits for.
    pub(crate) fn withdraw(&mut self, stream: &str, ids: &[EntryId]) {
        self.pipe.cmd("XDEL").arg(stream).arg(ids);
        self.withdrawn = true;
    }

    /// Sends the batch. An error here leaves open what was carried out.
    pub(crate) async fn send(
        mut self,
        connection: &mut Connection,
        stream: &str,
    ) -> Result<Written, WireError> {
        self.pipe.cmd("XLEN").arg(stream);
        let mut answers = connection.send(&self.pipe).await?.into_iter();
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

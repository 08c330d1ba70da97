//! The callers that wait, by request id.
//!
//! A slot is born when a caller parks and gone when its answer came or the caller left, except that a
//! caller who leaves while the entry is being written stays noted until the write's outcome is known:
//! only then can the entry be withdrawn. So does one who is answered while a copy is being written. Every write that
//! is begun must therefore be ended.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map},
    sync::Mutex,
};

use smallvec::SmallVec;
use tokio::sync::oneshot::{self, error::TryRecvError};
use uuid::Uuid;

use crate::{client::Reply, error::RequestError, mutex::lock, wire::EntryId};

/// What a parked caller is woken with.
pub(super) type Answer = Result<Reply, RequestError>;

/// The ids under which a request lies on the stream; more than one only after an unclear write.
pub(super) type Entries = SmallVec<[EntryId; 1]>;

/// Callers that left, of whom late replies may still come.
const REMEMBERED: usize = 10_000;

/// Parked callers. Bounded by the admission: a slot belongs to an admitted request, or to a write that
/// was begun for one.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<Uuid, Slot>,
    departed: Departed,
    closed: bool,
}

#[derive(Debug)]
struct Slot {
    /// `None` once the caller has left.
    caller: Option<oneshot::Sender<Answer>>,
    /// Writes begun and not ended.
    writing: u32,
    /// Whether an entry may be on the stream although no id of it is known.
    perhaps_written: bool,
    entries: Entries,
}

/// What a caller leaves behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// Whether a worker may have seen the request.
    pub sent: bool,
    /// To be withdrawn from the stream.
    pub entries: Entries,
}

/// Why a caller cannot park.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotParked {
    /// Another one waits under the same id.
    Duplicate,
    /// The client is closed.
    Closed,
}

/// Where a reply went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Matched {
    /// To its caller. Where the request may lie on the stream more than once, after an unclear write,
    /// these are the entries to withdraw: the work need not be done again.
    Answered(Entries),
    /// Nowhere: its caller had left.
    Late,
    /// Nowhere: it is a second reply, or another client's.
    Unknown,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteEnd {
    Written(EntryId),
    /// Redis refused it.
    Refused,
    /// The connection broke before the answer came.
    Unknown,
}

impl Waiting {
    /// Parks a caller.
    pub(super) fn park(&self, id: Uuid) -> Result<oneshot::Receiver<Answer>, NotParked> {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return Err(NotParked::Closed);
        }
        let hash_map::Entry::Vacant(vacant) = inner.slots.entry(id) else {
            return Err(NotParked::Duplicate);
        };
        let (caller, answer) = oneshot::channel();
        vacant.insert(Slot {
            caller: Some(caller),
            writing: 0,
            perhaps_written: false,
            entries: Entries::new(),
        });
        Ok(answer)
    }

    /// Whether the request is still wanted and is now being written.
    pub(super) fn begin_write(&self, id: Uuid) -> bool {
        match lock(&self.inner).slots.get_mut(&id) {
            Some(slot) if slot.caller.is_some() => {
                slot.writing += 1;
                true
            }
            _ => false,
        }
    }

    /// Ends a write that was begun. Gives the entry back if it must be withdrawn, since its caller left
    /// in the meantime, or was answered by another copy.
    pub(super) fn end_write(&self, id: Uuid, end: WriteEnd) -> Option<EntryId> {
        let mut inner = lock(&self.inner);
        // No slot: the reply was faster than the answer to the write.
        let slot = inner.slots.get_mut(&id)?;
        slot.writing = slot.writing.saturating_sub(1);
        match end {
            WriteEnd::Written(entry) if slot.caller.is_some() => slot.entries.push(entry),
            WriteEnd::Written(_) | WriteEnd::Refused => {}
            WriteEnd::Unknown => slot.perhaps_written = true,
        }
        let left = slot.caller.is_none();
        if left && slot.writing == 0 {
            inner.slots.remove(&id);
        }
        match end {
            WriteEnd::Written(entry) if left => Some(entry),
            _ => None,
        }
    }

    /// Wakes the caller of `id`. The first answer wins.
    pub(super) fn answer(&self, id: Uuid, answer: Answer) -> Matched {
        let mut inner = lock(&self.inner);
        let hash_map::Entry::Occupied(mut occupied) = inner.slots.entry(id) else {
            return inner.departed.matched(id);
        };
        let slot = occupied.get_mut();
        let copies = slot.entries.len() + usize::from(slot.perhaps_written) > 1;
        let entries = match copies {
            true => std::mem::take(&mut slot.entries),
            false => Entries::new(),
        };
        let caller = slot.caller.take();
        // This is the reply to an earlier write, and the one under way makes a copy: noted like one of a caller that
        // left, so that it is withdrawn when its id is known.
        let makes_a_copy = slot.writing > 0 && slot.perhaps_written;
        if !makes_a_copy {
            occupied.remove();
        }
        // Under the lock: a caller that leaves now finds no slot, and then the answer is there.
        match caller.map(|caller| caller.send(answer)) {
            Some(Ok(())) => Matched::Answered(entries),
            Some(Err(_)) | None => Matched::Late,
        }
    }

    /// The caller that waits for `answer` leaves. In place of what it leaves behind it gets the answer if that
    /// has come, and nothing if it had left before: then its slot is gone, and one under the same id belongs to
    /// another caller.
    pub(super) fn leave(
        &self,
        id: Uuid,
        answer: &mut oneshot::Receiver<Answer>,
    ) -> Result<Left, Option<Answer>> {
        let mut inner = lock(&self.inner);
        // Answers are sent under the lock, or where the slots are gone.
        match answer.try_recv() {
            Ok(answer) => return Err(Some(answer)),
            Err(TryRecvError::Closed) => return Err(None),
            Err(TryRecvError::Empty) => {}
        }
        let slot = inner.slots.get_mut(&id).ok_or(None)?;
        slot.caller = None;
        let sent = slot.writing > 0 || slot.perhaps_written || !slot.entries.is_empty();
        let entries = std::mem::take(&mut slot.entries);
        if slot.writing == 0 {
            inner.slots.remove(&id);
        }
        if sent {
            inner.departed.remember(id);
        }
        Ok(Left { sent, entries })
    }

    /// Whether the request may be on the stream, so that its reply may still come.
    pub(super) fn perhaps_written(&self, id: Uuid) -> bool {
        lock(&self.inner)
            .slots
            .get(&id)
            .is_some_and(|slot| slot.perhaps_written || !slot.entries.is_empty())
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.inner).slots.len()
    }

    /// Ends every wait, and those to come.
    pub(super) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        let slots = std::mem::take(&mut inner.slots);
        drop(inner);
        for caller in slots.into_values().filter_map(|slot| slot.caller) {
            let _ = caller.send(Err(RequestError::Closed));
        }
    }
}

/// The last callers that left, so that their replies are known as late.
#[derive(Debug, Default)]
struct Departed {
    ids: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Departed {
    fn remember(&mut self, id: Uuid) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Where a reply goes that nobody waits for. It is late but once.
    fn matched(&mut self, id: Uuid) -> Matched {
        // Its place in the order is taken when its turn comes.
        match self.ids.remove(&id) {
            true => Matched::Late,
            false => Matched::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;

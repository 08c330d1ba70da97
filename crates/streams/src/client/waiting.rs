//! The callers that wait, by request id.
//!
//! A slot is born when a caller parks and gone when its answer came or the caller left, except that a
//! caller who leaves while the entry is being written stays noted until the write's outcome is known:
//! only then can the entry be withdrawn. Every write that is begun must therefore be ended.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map},
    sync::Mutex,
};

use smallvec::SmallVec;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{client::Reply, error::RequestError, lock, wire::EntryId};

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

/// Where a reply went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matched {
    /// To its caller.
    Answered,
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
    /// Parks a caller; `None` if another one waits under the same id.
    pub(super) fn park(&self, id: Uuid) -> Option<oneshot::Receiver<Answer>> {
        let mut inner = lock(&self.inner);
        let hash_map::Entry::Vacant(vacant) = inner.slots.entry(id) else {
            return None;
        };
        let (caller, answer) = oneshot::channel();
        vacant.insert(Slot {
            caller: Some(caller),
            writing: 0,
            perhaps_written: false,
            entries: Entries::new(),
        });
        Some(answer)
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
    /// in the meantime.
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
        match inner.slots.remove(&id) {
            Some(Slot {
                caller: Some(caller),
                ..
            }) => {
                drop(inner);
                // A caller that is just leaving drops its end first; it then counts as late.
                if caller.send(answer).is_ok() {
                    Matched::Answered
                } else {
                    Matched::Late
                }
            }
            Some(_left) => Matched::Late,
            None if inner.departed.forget(id) => Matched::Late,
            None => Matched::Unknown,
        }
    }

    /// The caller stops waiting. `None` if it was answered.
    pub(super) fn leave(&self, id: Uuid) -> Option<Left> {
        let mut inner = lock(&self.inner);
        let slot = inner.slots.get_mut(&id)?;
        slot.caller = None;
        let sent = slot.writing > 0 || slot.perhaps_written || !slot.entries.is_empty();
        let entries = std::mem::take(&mut slot.entries);
        if slot.writing == 0 {
            inner.slots.remove(&id);
        }
        if sent {
            inner.departed.remember(id);
        }
        Some(Left { sent, entries })
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

    /// Ends every wait.
    pub(super) fn close(&self) {
        let slots = std::mem::take(&mut lock(&self.inner).slots);
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

    fn forget(&mut self, id: Uuid) -> bool {
        // Its place in the order is taken when its turn comes.
        self.ids.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(seq: u64) -> EntryId {
        EntryId { ms: 1, seq }
    }

    fn closed() -> Answer {
        Err(RequestError::Closed)
    }

    #[test]
    fn the_first_answer_wins_and_later_ones_are_unknown() {
        let waiting = Waiting::default();
        let id = Uuid::now_v7();
        let mut answer = waiting.park(id).expect("free");
        assert!(waiting.park(id).is_none(), "an id in use");
        assert_eq!(
            waiting.answer(id, Err(RequestError::Panicked)),
            Matched::Answered
        );
        assert_eq!(waiting.answer(id, closed()), Matched::Unknown);
        assert_eq!(
            answer.try_recv().expect("answered"),
            Err(RequestError::Panicked)
        );
        assert_eq!(waiting.leave(id), None);
    }

    #[test]
    fn a_caller_that_leaves_during_the_write_has_its_entry_withdrawn_after_it() {
        let waiting = Waiting::default();
        let id = Uuid::now_v7();
        let _answer = waiting.park(id).expect("free");
        assert!(waiting.begin_write(id));
        assert_eq!(
            waiting.leave(id),
            Some(Left {
                sent: true,
                entries: Entries::new()
            })
        );
        assert!(!waiting.begin_write(id), "not written again for nobody");
        assert_eq!(
            waiting.end_write(id, WriteEnd::Written(entry(1))),
            Some(entry(1))
        );
        assert_eq!(waiting.len(), 0);
        assert_eq!(waiting.answer(id, closed()), Matched::Late);
    }

    #[test]
    fn a_reply_that_overtakes_the_write_leaves_nothing_behind() {
        let waiting = Waiting::default();
        let id = Uuid::now_v7();
        let _answer = waiting.park(id).expect("free");
        assert!(waiting.begin_write(id));
        assert_eq!(waiting.answer(id, closed()), Matched::Answered);
        assert_eq!(waiting.end_write(id, WriteEnd::Written(entry(1))), None);
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn what_was_refused_was_not_sent_and_what_broke_off_may_have_been() {
        for (end, sent) in [(WriteEnd::Refused, false), (WriteEnd::Unknown, true)] {
            let waiting = Waiting::default();
            let id = Uuid::now_v7();
            let _answer = waiting.park(id).expect("free");
            assert!(waiting.begin_write(id));
            assert_eq!(waiting.end_write(id, end), None);
            assert_eq!(
                waiting.leave(id).map(|left| left.sent),
                Some(sent),
                "{end:?}"
            );
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Park,
        Begin,
        End(WriteEndKind),
        Answer,
        Leave,
    }

    #[derive(Debug, Clone, Copy)]
    enum WriteEndKind {
        Written,
        Refused,
        Unknown,
    }

    fn step() -> impl Strategy<Value = (usize, Step)> {
        let kind = prop_oneof![
            Just(WriteEndKind::Written),
            Just(WriteEndKind::Refused),
            Just(WriteEndKind::Unknown)
        ];
        let step = prop_oneof![
            Just(Step::Park),
            Just(Step::Begin),
            kind.prop_map(Step::End),
            Just(Step::Answer),
            Just(Step::Leave)
        ];
        (0_usize..3, step)
    }

    proptest! {
        /// Whatever order parks, writes, replies and leavings come in: each caller gets one answer at
        /// most, every entry written for a caller that left unanswered is given back exactly once, and
        /// when all writes have ended and all callers are gone, no slot is left.
        #[test]
        fn nothing_leaks_and_nobody_is_answered_twice(steps in prop::collection::vec(step(), 0..60)) {
            let waiting = Waiting::default();
            // For each request: its receiver, writes under way, whether it was answered or left, and
            // the entries that are on the stream for it.
            struct Model {
                id: Uuid,
                answer: Option<oneshot::Receiver<Answer>>,
                writing: u32,
                answers: u32,
                gone: bool,
                replied: bool,
                entries: Vec<EntryId>,
            }
            let mut models: Vec<Model> = (0..3)
                .map(|_| Model {
                    id: Uuid::now_v7(),
                    answer: None,
                    writing: 0,
                    answers: 0,
                    gone: false,
                    replied: false,
                    entries: vec![],
                })
                .collect();
            let mut seq = 0;
            let mut run = |models: &mut Vec<Model>, which: usize, step: Step| {
                let model = &mut models[which];
                match step {
                    Step::Park => {
                        if model.answer.is_none() && !model.gone {
                            model.answer = waiting.park(model.id);
                            assert!(model.answer.is_some());
                        }
                    }
                    Step::Begin => {
                        let wanted = model.answer.is_some() && !model.gone && model.answers == 0;
                        assert_eq!(waiting.begin_write(model.id), wanted);
                        model.writing += u32::from(wanted);
                    }
                    Step::End(kind) if model.writing > 0 => {
                        model.writing -= 1;
                        let end = match kind {
                            WriteEndKind::Written => {
                                seq += 1;
                                model.entries.push(entry(seq));
                                WriteEnd::Written(entry(seq))
                            }
                            WriteEndKind::Refused => WriteEnd::Refused,
                            WriteEndKind::Unknown => WriteEnd::Unknown,
                        };
                        if let Some(withdrawn) = waiting.end_write(model.id, end) {
                            assert!(model.gone);
                            model.entries.retain(|entry| *entry != withdrawn);
                        }
                    }
                    Step::End(_) => {}
                    Step::Answer => {
                        let matched = waiting.answer(model.id, closed());
                        model.replied |= matched != Matched::Unknown;
                        if matched == Matched::Answered {
                            assert!(!model.gone);
                            model.answers += 1;
                        }
                    }
                    Step::Leave => {
                        if let Some(left) = waiting.leave(model.id) {
                            for withdrawn in &left.entries {
                                assert!(model.entries.contains(withdrawn));
                            }
                            model.entries.retain(|entry| !left.entries.contains(entry));
                            model.gone = true;
                        }
                    }
                }
                assert!(model.answers <= 1);
            };
            for (which, step) in steps {
                run(&mut models, which, step);
            }
            for which in 0..3 {
                run(&mut models, which, Step::Leave);
                while models[which].writing > 0 {
                    run(&mut models, which, Step::End(WriteEndKind::Written));
                }
            }
            prop_assert_eq!(waiting.len(), 0);
            for model in models.iter().filter(|model| model.gone && !model.replied) {
                // A worker deletes what it replied to; everything else was given back.
                prop_assert_eq!(&model.entries, &vec![]);
            }
        }
    }
}

use proptest::prelude::*;

use super::*;

fn entry(seq: u64) -> EntryId {
    EntryId { ms: 1, seq }
}

fn answered(copies: &[EntryId]) -> Matched {
    Matched::Answered(copies.iter().copied().collect())
}

fn closed() -> Answer {
    Err(RequestError::Closed)
}

#[test]
fn the_first_answer_wins_and_later_ones_are_unknown() {
    let waiting = Waiting::default();
    let id = Uuid::now_v7();
    let mut answer = waiting.park(id).expect("free");
    assert_eq!(waiting.park(id).err(), Some(NotParked::Duplicate));
    assert_eq!(
        waiting.answer(id, Err(RequestError::Panicked)),
        answered(&[])
    );
    assert_eq!(waiting.answer(id, closed()), Matched::Unknown);
    let answer_came = waiting.leave(id, &mut answer);
    assert_eq!(answer_came, Err(Some(Err(RequestError::Panicked))));
    assert_eq!(waiting.leave(id, &mut answer), Err(None));
}

#[test]
fn a_caller_that_leaves_during_the_write_has_its_entry_withdrawn_after_it() {
    let waiting = Waiting::default();
    let id = Uuid::now_v7();
    let mut answer = waiting.park(id).expect("free");
    assert!(waiting.begin_write(id));
    let left = Left {
        sent: true,
        entries: Entries::new(),
    };
    assert_eq!(waiting.leave(id, &mut answer), Ok(left));
    assert_eq!(waiting.leave(id, &mut answer), Err(None), "only once");
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
    assert_eq!(waiting.answer(id, closed()), answered(&[]));
    assert_eq!(waiting.end_write(id, WriteEnd::Written(entry(1))), None);
    assert_eq!(waiting.len(), 0);
}

#[test]
fn what_was_refused_was_not_sent_and_what_broke_off_may_have_been() {
    for (end, sent) in [(WriteEnd::Refused, false), (WriteEnd::Unknown, true)] {
        let waiting = Waiting::default();
        let id = Uuid::now_v7();
        let mut answer = waiting.park(id).expect("free");
        assert!(waiting.begin_write(id));
        assert_eq!(waiting.end_write(id, end), None);
        let left = waiting.leave(id, &mut answer).expect("unanswered");
        assert_eq!(left.sent, sent, "{end:?}");
    }
}

#[test]
fn the_copies_of_an_unclear_write_are_withdrawn_with_the_answer() {
    let waiting = Waiting::default();
    let id = Uuid::now_v7();
    let _answer = waiting.park(id).expect("free");
    for end in [WriteEnd::Unknown, WriteEnd::Written(entry(2))] {
        assert!(waiting.begin_write(id));
        assert_eq!(waiting.end_write(id, end), None);
    }
    assert_eq!(waiting.answer(id, closed()), answered(&[entry(2)]));
}

/// The first write broke off and got through; the reply to it comes while the second write is under way.
#[test]
fn a_copy_whose_id_comes_after_the_reply_is_withdrawn() {
    for leaves in [false, true] {
        let waiting = Waiting::default();
        let id = Uuid::now_v7();
        let mut answer = waiting.park(id).expect("free");
        assert!(waiting.begin_write(id));
        assert_eq!(waiting.end_write(id, WriteEnd::Unknown), None);
        assert!(waiting.begin_write(id));
        let reply = match leaves {
            true => {
                assert!(waiting.leave(id, &mut answer).is_ok());
                Matched::Late
            }
            false => answered(&[]),
        };
        assert_eq!(waiting.answer(id, closed()), reply);
        assert!(!waiting.begin_write(id), "nobody wants it any more");
        assert_eq!(
            waiting.end_write(id, WriteEnd::Written(entry(2))),
            Some(entry(2))
        );
        assert_eq!(waiting.len(), 0);
    }
}

#[test]
fn a_closed_client_lets_everybody_go_and_nobody_in() {
    let waiting = Waiting::default();
    let mut answer = waiting.park(Uuid::now_v7()).expect("free");
    waiting.close();
    assert_eq!(answer.try_recv().expect("answered"), closed());
    assert_eq!(waiting.park(Uuid::now_v7()).err(), Some(NotParked::Closed));
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
                        model.answer = waiting.park(model.id).ok();
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
                        assert!(model.gone || model.answers > 0);
                        model.entries.retain(|entry| *entry != withdrawn);
                    }
                }
                Step::End(_) => {}
                Step::Answer => {
                    let matched = waiting.answer(model.id, closed());
                    model.replied |= matched != Matched::Unknown;
                    if let Matched::Answered(copies) = matched {
                        assert!(!model.gone);
                        model.answers += 1;
                        model.entries.retain(|entry| !copies.contains(entry));
                    }
                }
                Step::Leave => {
                    if let Some(answer) = &mut model.answer
                        && let Ok(left) = waiting.leave(model.id, answer)
                    {
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

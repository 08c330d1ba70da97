//! Runs written by hand, good ones and broken ones, each with its ledger.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::history::{Event, History, Outcome, Violations, What};

const REQUEST: &str = "01a1fdfa-f774-7230-8455-ed19dec7351c";
/// That of another caller, who asks for Rome.
const ANOTHER: &str = "02a1fdfa-f774-7230-8455-ed19dec7351c";
const TTL: u64 = 5000;

/// A run: commands as Redis writes them down, and what one caller saw, who asks for Oslo.
struct Run {
    began: u64,
    commands: Vec<String>,
    events: Vec<Event>,
}

impl Run {
    fn new() -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let what = What::Sent {
            request: 7,
            target: "http://localhost".into(),
            city: "Oslo".into(),
            location: "Centre".into(),
            deadline_ms: TTL,
        };
        Self {
            began: began.as_millis() as u64,
            commands: vec!["XGROUP CREATE requests group 0 MKSTREAM".into()],
            events: vec![Event { at_us: 0, what }],
        }
    }

    /// `AT` in the command becomes the time so many milliseconds after the beginning.
    fn redis(mut self, after: u64, command: &str) -> Self {
        let at = (self.began + after).to_string();
        self.commands.push(command.replace("AT", &at));
        self
    }

    fn added(self, after: u64) -> Self {
        let body = r#"{"city":"Oslo","location":"Centre"}"#;
        let envelope = format!("{{\"v\":1,\"reply_to\":\"replies\",\"ttl\":{TTL}}}\n{body}");
        self.redis(after, &format!("XADD requests AT-0 {REQUEST} {envelope}"))
    }

    /// The entry that was added after so long is given to a worker, as its delivery of this number.
    fn given(self, added: u64, after: u64, worker: &str, count: u64) -> Self {
        let id = self.began + added;
        let claim = format!(
            "XCLAIM requests group {worker} 0 {id}-0 TIME AT RETRYCOUNT {count} FORCE JUSTID"
        );
        self.redis(after, &claim)
    }

    fn replied(self, after: u64, city: &str) -> Self {
        let body = format!(r#"{{"city":"{city}","location":"Centre"}}"#);
        let envelope = format!("{{\"v\":1,\"status\":\"ok\"}}\n{body}");
        self.redis(after, &format!("XADD replies AT-0 {REQUEST} {envelope}"))
    }

    fn removed(self, added: u64) -> Self {
        let id = self.began + added;
        let removed = format!("XDEL requests {id}-0");
        self.redis(0, &removed)
            .redis(0, &format!("XACK requests group {id}-0"))
    }

    /// What was done last was done with the other caller's request.
    fn of_another(mut self) -> Self {
        if let Some(last) = self.commands.last_mut() {
            *last = last.replace(REQUEST, ANOTHER).replace("Oslo", "Rome");
        }
        self
    }

    fn answered(self, after: u64, status: u16) -> Self {
        let outcome = Outcome::Answer {
            status,
            request_id: (status == 200).then(|| REQUEST.to_owned()),
            mismatch: None,
        };
        self.ended(after, outcome)
    }

    fn ended(mut self, after: u64, outcome: Outcome) -> Self {
        let what = What::Ended {
            request: 7,
            outcome,
        };
        let at_us = after * 1000;
        self.events.push(Event { at_us, what });
        self
    }

    fn ledger(&self) -> Ledger {
        let names = Names {
            requests: "requests".into(),
            responses: "replies".into(),
        };
        let mut replay = replay::Replay::new(&names);
        for command in &self.commands {
            // An envelope has blanks in none of its parts, and one line feed.
            let words = command.split(' ').map(|word| word.as_bytes().to_vec());
            replay.carry_out(&words.collect()).unwrap();
        }
        replay.end()
    }

    fn check(self) -> Result<Books, Violations> {
        let ledger = self.ledger();
        let history: History = self.events.into_iter().collect();
        ledger.check(&history).map_err(|mut violations| {
            ledger.tell(&mut violations, &history, &[]);
            violations
        })
    }

    #[track_caller]
    fn turns_out_wrong(self, how: &str) {
        let report = self.check().expect_err("nothing was found").to_string();
        assert!(report.contains(how), "{report}");
    }
}

#[test]
fn a_request_that_is_replied_to_and_removed_is_whole() {
    let run = Run::new()
        .added(1)
        .given(1, 2, "a", 1)
        .replied(9, "Oslo")
        .removed(1);
    let books = run.answered(10, 200).check().unwrap();
    assert_eq!(
        (books.enqueued, books.ended(&End::Replied), books.left),
        (1, 1, 0)
    );
    assert_eq!(books.to_string(), "1 enqueued = 1 replied + 0 left");
}

#[test]
fn a_leaked_entry_is_found() {
    Run::new()
        .added(1)
        .replied(9, "Oslo")
        .answered(10, 200)
        .turns_out_wrong("is still on the stream");
}

#[test]
fn a_lost_request_is_found_and_its_story_told() {
    let lost = Run::new()
        .added(1)
        .given(1, 2, "a", 1)
        .redis(50, "XADD other AT-0 x y")
        .removed(1)
        .redis(60, "XADD other AT-0 x y");
    let lost = lost.answered(TTL, 504);
    let report = lost.check().expect_err("nothing was found").to_string();
    for told in [
        "#7 was answered 504",
        "unanswered",
        "is given to a",
        "is removed: withdrawn",
        "sent",
    ] {
        assert!(report.contains(told), "{told}: {report}");
    }
}

/// Two callers ask one ingress; the first is replied to before the second.
fn two_replies(between: &str) -> Run {
    let mut run = Run::new()
        .added(1)
        .added(2)
        .of_another()
        .replied(9, "Oslo")
        .redis(20, between)
        .replied(30, "Oslo")
        .of_another()
        .removed(1)
        .removed(2);
    let What::Sent { target, .. } = run.events[0].what.clone() else {
        panic!("the first event is the sending");
    };
    let sent = What::Sent {
        request: 8,
        target,
        city: "Rome".into(),
        location: "Centre".into(),
        deadline_ms: TTL,
    };
    let outcome = Outcome::Answer {
        status: 200,
        request_id: Some(ANOTHER.into()),
        mismatch: None,
    };
    let ended = What::Ended {
        request: 8,
        outcome,
    };
    for (at_us, what) in [(1_000, sent), (31_000, ended)] {
        run.events.push(Event { at_us, what });
    }
    run
}

#[test]
fn a_reply_that_the_reader_passed_over_is_found() {
    let run = || two_replies("XADD other AT-0 x y");
    run()
        .answered(TTL, 504)
        .turns_out_wrong("#7 was answered 504, and the reply to");
    // Read at the moment at which the caller's time was up.
    run().answered(40, 504).check().unwrap();
    run().answered(40, 200).check().unwrap();
}

#[test]
fn a_reply_that_the_reader_may_have_missed_is_not_held_against_it() {
    for fault in [
        "DEL replies",
        "FLUSHALL",
        "XTRIM replies MINID = AT-0",
        "XTRIM replies MAXLEN = 0",
    ] {
        let run = two_replies(fault).answered(TTL, 504);
        run.check()
            .unwrap_or_else(|wrong| panic!("{fault}: {wrong}"));
    }
    two_replies("XTRIM replies MINID = 1-0")
        .answered(TTL, 504)
        .turns_out_wrong("was passed over");
}

#[test]
fn who_has_been_answered_does_not_wait() {
    let written_late = |answered| {
        let run = Run::new()
            .added(1000)
            .given(1000, 1001, "a", 1)
            .redis(4990, "XADD other AT-0 x y")
            .redis(4995, "XADD replies AT-0 x y")
            .removed(1000)
            .redis(5010, "XADD replies AT-0 x y");
        run.answered(answered, 504).check()
    };
    // The caller's time is up before the entry's, which was long on its way.
    written_late(5000).unwrap();
    written_late(5500).expect_err("it waited");
}

#[test]
fn an_entry_that_expired_or_whose_caller_left_may_go_unanswered() {
    let expired = Run::new().added(1).given(1, TTL + 1, "a", 1).removed(1);
    let books = expired.answered(TTL + 1, 504).check().unwrap();
    assert_eq!(books.ended(&End::Expired), 1);
    let left = Run::new()
        .added(1)
        .redis(9, "XADD other AT-0 x y")
        .removed(1);
    let books = left.ended(9, Outcome::Left).check().unwrap();
    assert_eq!(books.ended(&End::Withdrawn), 1);
}

#[test]
fn an_answer_that_nobody_gave_is_found() {
    Run::new()
        .answered(10, 200)
        .turns_out_wrong("nobody replied to that");
}

#[test]
fn a_crossed_reply_is_found() {
    let crossed = Run::new()
        .added(1)
        .given(1, 2, "a", 1)
        .replied(9, "Paris")
        .removed(1);
    crossed.answered(10, 200).turns_out_wrong("Paris");
}

#[test]
fn work_done_twice_is_counted_with_its_reason() {
    let twice = || Run::new().added(1).given(1, 2, "a", 1);
    let ends = |run: Run| {
        run.replied(80, "Oslo")
            .removed(1)
            .replied(90, "Oslo")
            .answered(91, 200)
            .check()
            .unwrap()
    };

    let lapsed = ends(twice().given(1, 30, "a", 1).given(1, 60, "b", 2));
    assert_eq!(lapsed.delivered_again, [(Reason::Lapsed, 1)].into());
    assert_eq!((lapsed.replied_again, lapsed.ended(&End::Replied)), (1, 1));

    let handed_back = ends(twice().given(1, 0, "a", 0).given(1, 60, "b", 1));
    assert_eq!(
        handed_back.delivered_again,
        [(Reason::HandedBack, 1)].into()
    );

    let made_again = twice()
        .redis(0, "XGROUP DESTROY requests group")
        .redis(0, "XGROUP CREATE requests group 0 MKSTREAM");
    let made_again = ends(made_again.given(1, 60, "b", 1));
    assert_eq!(
        made_again.delivered_again,
        [(Reason::GroupMadeAgain, 1)].into()
    );

    let written_again = ends(Run::new().added(1).added(2).removed(2));
    assert_eq!(written_again.written_again, 1);
}

#[test]
fn what_a_fault_took_away_is_lost_by_its_name() {
    for (fault, name) in [
        ("FLUSHALL", "FLUSHALL"),
        ("DEL other requests", "DEL"),
        ("XTRIM requests MAXLEN = 0", "XTRIM"),
        ("SET requests x", "SET"),
    ] {
        let lost = Run::new().added(1).redis(5, fault).answered(TTL, 504);
        let books = lost.check().unwrap();
        assert_eq!(books.ended(&End::Lost(name.into())), 1, "{books}");
        assert_eq!(books.lost(), 1);
    }
}

#[test]
fn a_dead_letter_is_an_end_with_and_without_a_reply() {
    let run = Run::new().added(1);
    let id = run.began + 1;
    let letter = format!("XADD requests:dead MAXLEN = 10000 AT-0 dead-cause x dead-entry {id}-0");
    let books = run
        .redis(5, &letter)
        .removed(1)
        .answered(6, 502)
        .check()
        .unwrap();
    assert_eq!(books.ended(&End::DeadLettered), 1);
}

#[test]
fn the_books_of_two_runs_add_up() {
    let once = Run::new().added(1).replied(9, "Oslo").removed(1);
    let mut books = once.answered(10, 200).check().unwrap();
    let twice = Run::new().added(1).given(1, 2, "a", 1).given(1, 60, "b", 2);
    let twice = twice.replied(80, "Oslo").removed(1).replied(90, "Oslo");
    books.add(twice.answered(91, 200).check().unwrap());
    let lost = Run::new().added(1).redis(5, "FLUSHALL");
    books.add(lost.answered(TTL, 504).check().unwrap());
    assert_eq!(
        books.to_string(),
        "3 enqueued = 2 replied + 1 lost by FLUSHALL + 0 left; 1 delivered again, as a lease lapsed; 1 done again"
    );
}

#[test]
fn a_failover_loses_what_only_the_old_primary_had() {
    // The old one has three that the new one has not heard of: one is done with, one waits, and one is in hand of a
    // worker that follows the new one and replies there.
    let waits = REQUEST.replace("01a1", "02a1");
    let in_hand = REQUEST.replace("01a1", "03a1");
    let added = |id: &str| format!("XADD requests AT-0 {id} {{\"v\":1,\"ttl\":{TTL}}}\n");
    let old = Run::new()
        .added(1)
        .added(2)
        .redis(3, &added(&waits))
        .redis(4, &added(&in_hand))
        .replied(9, "Oslo")
        .removed(2);
    let mut new = Run::new();
    new.began = old.began;
    let reply = format!("XADD replies AT-0 {in_hand} {{\"v\":1,\"status\":\"ok\"}}\n");
    let new = new.added(1).replied(9, "Oslo").removed(1).redis(20, &reply);
    let (old, new) = (old.ledger(), new.ledger());
    assert_eq!(old.replies(REQUEST).len(), 1);
    let books = Books::of(&old.failed_over_to(new));
    assert_eq!((books.enqueued, books.left, books.lost()), (4, 0, 1));
    assert_eq!(books.ended(&End::Lost("the failover".into())), 1);
    assert_eq!(books.ended(&End::Replied), 3);
    assert_eq!(books.replied_again, 0, "the same reply, replicated");
}

/// In an outage nobody adds anything, so that the file tells no time between the last entry before it and the first
/// one after it.
#[test]
fn what_is_taken_back_after_an_outage_was_not_taken_back_before_it() {
    let taken_back = |next: u64| {
        let run = Run::new().added(1).given(1, 2, "a", 1).removed(1);
        let run = run.redis(next, "XADD replies AT-0 note x");
        run.answered(TTL, 504)
    };
    assert!(taken_back(TTL + 20).check().is_ok());
    taken_back(20).turns_out_wrong("was taken off the stream unanswered");
}

//! Threads of one worker, by loom: every order in which their critical sections can run.
//!
//! A delivery may meet the work of an earlier one on the same entry: `Running::begin` in
//! `crates/streams/src/worker/running.rs` then counts on that work and starts none. But that work may be about
//! to find that its lease had lapsed, and to leave without having begun. `Running::may_start` therefore looks and lets
//! go in one critical section. On one thread these two cannot meet.
//!
//! Nothing else in the engine asks for loom. What threads share there is either one map under one mutex, whose
//! critical sections are the steps of the model (`waiting.rs`, `outbox.rs`, `running.rs`, the breaker), or one
//! atomic number that guards nothing (the retry budget, the places of the admission, counters): there is no order
//! of two variables to get wrong. Waking goes through tokio's `Notify`, which loom checks where it is made.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::{
    sync::{Arc, Mutex},
    thread,
};

/// An entry in hand, as the worker's threads share it.
struct Running {
    held: Mutex<Option<Lease>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lease {
    Holds,
    Lapsed,
}

impl Running {
    fn in_hand(lease: Lease) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::new(Some(lease)),
        })
    }

    /// Takes an entry in hand that was delivered again. False if it is in hand: then its lease starts anew.
    fn begin(&self) -> bool {
        self.held
            .lock()
            .expect("nobody panics")
            .replace(Lease::Holds)
            .is_none()
    }

    fn holds(&self) -> bool {
        *self.held.lock().expect("nobody panics") == Some(Lease::Holds)
    }

    fn let_go(&self) {
        *self.held.lock().expect("nobody panics") = None;
    }

    /// Looks at the lease and lets go of what has lapsed, in one.
    fn start(&self) -> bool {
        let mut held = self.held.lock().expect("nobody panics");
        held.take_if(|lease| *lease == Lease::Lapsed);
        held.is_some()
    }
}

/// An entry whose lease has lapsed is delivered again while its work is about to start: one of the two runs it.
fn somebody_runs_it(start: fn(&Running) -> bool) {
    let running = Running::in_hand(Lease::Lapsed);
    let work = {
        let running = Arc::clone(&running);
        thread::spawn(move || start(&running))
    };
    let begun = running.begin();
    let started = work.join().expect("ends");
    assert!(begun || started, "delivered, and nobody runs it");
    assert!(!(begun && started), "run twice");
}

#[test]
fn a_delivery_that_meets_work_about_to_leave_is_run() {
    loom::model(|| somebody_runs_it(Running::start));
}

#[test]
fn a_delivery_is_lost_between_a_look_and_letting_go() {
    let looks_then_lets_go = |running: &Running| {
        let holds = running.holds();
        if !holds {
            running.let_go();
        }
        holds
    };
    let explored = catch_unwind(AssertUnwindSafe(|| {
        loom::model(move || somebody_runs_it(looks_then_lets_go));
    }));
    let panic = explored.expect_err("loom finds the order in which nobody runs it");
    assert_eq!(
        panic.downcast_ref::<&str>(),
        Some(&"delivered, and nobody runs it")
    );
}

//! The board of terminals: what each is doing now and has done so far.
//!
//! The engine starts at most as many handlers as there are terminals. Each takes the first idle terminal and
//! gives it back by dropping its guard, so that a handler that panics, or is cut off at its deadline, frees
//! its terminal like any other.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The terminals of this process. Clones show the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Terminals {
    /// Never locked across an await. A panic leaves plain numbers behind, so poison is ignored.
    board: Arc<Mutex<Vec<Slot>>>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    request: Option<(Uuid, Instant)>,
    served: u64,
    failed: u64,
}

/// A terminal while it serves one request.
#[derive(Debug)]
#[must_use = "the terminal is idle again once this is dropped"]
pub(crate) struct Occupied {
    terminals: Terminals,
    /// `None` where there was no idle one.
    index: Option<usize>,
    served: bool,
}

/// One terminal, as `/terminals` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Terminal)]
pub(crate) struct TerminalView {
    /// Its number, from 1.
    #[schema(example = 1)]
    pub terminal: usize,
    /// What it is doing.
    pub state: TerminalState,
    /// The request that it serves; only while it is busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Uuid>,
    /// For how long it has served that request, in milliseconds; only while it is busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 72)]
    pub busy_ms: Option<u64>,
    /// Requests that it answered with weather since the process started.
    #[schema(example = 1041)]
    pub served: u64,
    /// Requests that it did not: the provider failed, the handler panicked, or the time was up.
    #[schema(example = 3)]
    pub failed: u64,
}

/// What a terminal is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TerminalState {
    /// Waiting for work.
    Idle,
    /// Serving a request.
    Busy,
}

impl Terminals {
    /// So many idle terminals.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            board: Arc::new(Mutex::new(vec![Slot::default(); count])),
        }
    }

    /// How many there are.
    pub(crate) fn total(&self) -> usize {
        self.lock().len()
    }

    /// How many are busy.
    pub(crate) fn active(&self) -> usize {
        self.lock()
            .iter()
            .filter(|slot| slot.request.is_some())
            .count()
    }

    /// All of them, by number.
    pub(crate) fn view(&self) -> Vec<TerminalView> {
        let view = |(index, slot): (usize, &Slot)| TerminalView {
            terminal: index + 1,
            state: if slot.request.is_some() {
                TerminalState::Busy
            } else {
                TerminalState::Idle
            },
            request_id: slot.request.map(|(id, _)| id),
            busy_ms: slot
                .request
                .map(|(_, since)| since.elapsed().as_millis() as u64),
            served: slot.served,
            failed: slot.failed,
        };
        self.lock().iter().enumerate().map(view).collect()
    }

    /// Takes the first idle terminal for a request.
    pub(crate) fn occupy(&self, request: Uuid) -> Occupied {
        let mut board = self.lock();
        let index = board.iter().position(|slot| slot.request.is_none());
        if let Some(index) = index {
            board[index].request = Some((request, Instant::now()));
        }
        drop(board);
        if index.is_none() {
            // The request is served all the same: the board is there to be looked at, the engine keeps the bound.
            tracing::error!(request_id = %request, "more requests run than there are terminals; this is a bug");
        }
        Occupied {
            terminals: self.clone(),
            index,
            served: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupied {
    /// The request was answered with weather. A guard that is dropped without this counts as failed.
    pub(crate) fn served(mut self) {
        self.served = true;
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let Some(index) = self.index else { return };
        let slot = &mut self.terminals.lock()[index];
        slot.request = None;
        if self.served {
            slot.served += 1;
        } else {
            slot.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(terminals: &Terminals) -> Vec<(TerminalState, u64, u64)> {
        terminals
            .view()
            .into_iter()
            .map(|view| (view.state, view.served, view.failed))
            .collect()
    }

    #[test]
    fn a_request_holds_the_first_idle_terminal_until_its_guard_is_gone() {
        use TerminalState::{Busy, Idle};
        let terminals = Terminals::new(2);
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let serving = terminals.occupy(first);
        let failing = terminals.occupy(second);
        assert_eq!(counts(&terminals), [(Busy, 0, 0), (Busy, 0, 0)]);
        assert_eq!(terminals.view()[1].request_id, Some(second));
        assert_eq!(terminals.active(), 2);

        serving.served();
        assert_eq!(counts(&terminals), [(Idle, 1, 0), (Busy, 0, 0)]);
        drop(failing);
        assert_eq!(counts(&terminals), [(Idle, 1, 0), (Idle, 0, 1)]);
        assert_eq!(terminals.view()[1].request_id, None);
        assert_eq!((terminals.active(), terminals.total()), (0, 2));
    }

    #[test]
    fn a_panic_frees_the_terminal_and_counts_as_failed() {
        let terminals = Terminals::new(1);
        let shown = terminals.clone();
        std::thread::spawn(move || {
            let _serving = terminals.occupy(Uuid::nil());
            panic!("as a handler might");
        })
        .join()
        .expect_err("the panic");
        assert_eq!(counts(&shown), [(TerminalState::Idle, 0, 1)]);
    }

    #[test]
    fn a_request_beyond_the_bound_disturbs_nobody() {
        let terminals = Terminals::new(1);
        let serving = terminals.occupy(Uuid::from_u128(1));
        drop(terminals.occupy(Uuid::from_u128(2)));
        assert_eq!(terminals.view()[0].request_id, Some(Uuid::from_u128(1)));
        serving.served();
        assert_eq!(counts(&terminals), [(TerminalState::Idle, 1, 0)]);
    }

    #[test]
    fn the_json_leaves_out_what_an_idle_terminal_has_not() {
        let terminals = Terminals::new(1);
        let idle = serde_json::json!([{"terminal": 1, "state": "idle", "served": 0, "failed": 0}]);
        assert_eq!(serde_json::to_value(terminals.view()).unwrap(), idle);
        let _serving = terminals.occupy(Uuid::nil());
        let busy = serde_json::to_value(terminals.view()).unwrap();
        assert_eq!(busy[0]["state"], "busy");
        assert_eq!(busy[0]["requestId"], Uuid::nil().to_string());
        assert!(busy[0]["busyMs"].is_u64());
    }
}

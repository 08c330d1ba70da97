//! Whether a request id was seen before, in bounded memory.
//!
//! An id that two replies bear belongs to one of them at most. Replies that get mixed up are close in time, so it is
//! enough to remember the latest: ids go into one set, and when that is full it becomes the older of two and a new one
//! is started. Each id is so compared with at least `REMEMBERED` before it (all, in a shorter run), at about 36 MiB.

use std::collections::HashSet;

use uuid::Uuid;

/// The number of latest ids that are certain to be remembered.
const REMEMBERED: usize = 500_000;

/// The request ids seen lately.
#[derive(Debug, Default)]
pub(crate) struct RequestIds {
    newer: HashSet<Uuid>,
    older: HashSet<Uuid>,
}

impl RequestIds {
    /// Remembers an id; false if it was seen before.
    pub(crate) fn insert(&mut self, id: Uuid) -> bool {
        if self.newer.len() == REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        !self.older.contains(&id) && self.newer.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_id_is_noticed_across_the_change_of_sets() {
        let mut ids = RequestIds::default();
        let id = |n: usize| Uuid::from_u128(n as u128);
        for n in 0..REMEMBERED + 1 {
            assert!(ids.insert(id(n)), "{n}");
        }
        assert!(!ids.insert(id(REMEMBERED)), "in the newer set");
        assert!(!ids.insert(id(1)), "in the older set");
    }

    #[test]
    fn memory_is_bounded() {
        let mut ids = RequestIds::default();
        for n in 0..REMEMBERED * 3 + 1 {
            ids.insert(Uuid::from_u128(n as u128));
        }
        assert!(ids.newer.len() + ids.older.len() <= 2 * REMEMBERED);
    }
}

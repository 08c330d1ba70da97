//! How many bytes to write at once.
//!
//! A write that does not get through within the response timeout is lost with its connection, and the same would be
//! written again, for ever. So one that timed out is followed by smaller ones, as reads are
//! ([`ReadLimit`](crate::read_limit)).

use crate::read_limit::ReadLimit;

/// What the limit is counted in. The least that it can be.
const STEP: usize = 16 << 10;

/// The most bytes that the next write should have, a single larger piece aside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteLimit(ReadLimit);

impl WriteLimit {
    /// Starts with `most`, which is a step at least, and never exceeds it.
    pub(crate) fn new(most: usize) -> Self {
        Self(ReadLimit::new(most / STEP))
    }

    pub(crate) fn bytes(self) -> usize {
        self.0.get() * STEP
    }

    pub(crate) fn timed_out(&mut self) {
        self.0.timed_out();
    }

    /// So many bytes got through. Where that is far below the limit it says nothing of how many would.
    pub(crate) fn got_through(&mut self, bytes: usize) {
        if bytes > self.bytes() / 2 {
            self.0.came(self.0.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_to_a_step_and_grows_by_what_got_through() {
        let mut limit = WriteLimit::new(64 * STEP);
        assert_eq!(limit.bytes(), 64 * STEP);
        limit.timed_out();
        assert_eq!(limit.bytes(), STEP);
        limit.got_through(STEP / 2);
        assert_eq!(limit.bytes(), STEP, "too little to tell");
        for expected in [2, 4, 8, 16, 32, 33] {
            // Pieces of three quarters of the limit: no second one fits.
            limit.got_through(limit.bytes() * 3 / 4);
            assert_eq!(limit.bytes(), expected * STEP);
        }
        limit.got_through(usize::MAX / 2);
        assert_eq!(limit.bytes(), 34 * STEP, "a single larger piece");
    }
}

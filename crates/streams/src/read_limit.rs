//! How many entries to ask for at once.
//!
//! Redis bounds an answer by entries alone, and entries may be large. An answer that does not get through within
//! the response timeout is lost with its connection, and the same question would be asked again, for ever.
//! So a read that timed out is followed by smaller ones, which grow again as TCP's window does: twice as many
//! each time up to half of what was too much, one more each time beyond.

/// The most entries that the next read should ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadLimit {
    most: usize,
    now: usize,
    /// From here on it grows slowly.
    threshold: usize,
}

impl ReadLimit {
    /// Starts with `most`, which is at least one, and never exceeds it.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            now: most,
            threshold: most,
        }
    }

    pub(crate) fn get(self) -> usize {
        self.now
    }

    pub(crate) fn timed_out(&mut self) {
        self.threshold = (self.now / 2).max(1);
        self.now = 1;
    }

    /// So many came. Fewer than asked for say nothing of how many get through.
    pub(crate) fn came(&mut self, entries: usize) {
        if entries < self.now {
            return;
        }
        let next = if self.now < self.threshold {
            (self.now * 2).min(self.threshold)
        } else {
            self.now + 1
        };
        self.now = next.min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_to_one_and_comes_back_slower_near_what_was_too_much() {
        let mut limit = ReadLimit::new(1_000);
        limit.came(1_000);
        assert_eq!(limit.get(), 1_000);
        limit.timed_out();
        for expected in [1, 2, 4, 8, 16] {
            assert_eq!(limit.get(), expected);
            limit.came(expected - 1);
            assert_eq!(limit.get(), expected, "not what bounded that read");
            limit.came(expected);
        }
        limit.timed_out();
        for expected in [1, 2, 4, 8, 16, 17, 18] {
            assert_eq!(limit.get(), expected);
            limit.came(expected);
        }
        limit.timed_out();
        limit.timed_out();
        assert_eq!(limit.get(), 1);
        limit.came(1);
        assert_eq!(limit.get(), 2);
    }
}

use std::time::Duration;

/// Which way bytes go over a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From who connected to the server behind.
    There,
    /// From the server to who connected.
    Back,
}

/// What is wrong with a line, one way. As made, nothing is; each method adds something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[must_use]
pub struct Impairment {
    pub(super) hold: bool,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) bytes_per_second: Option<u32>,
    pub(super) slice: Option<usize>,
    pub(super) corrupt_each: Option<u64>,
    pub(super) reset_after: Option<u64>,
}

impl Impairment {
    /// A line that does nothing to what it carries.
    pub fn none() -> Self {
        Self::default()
    }

    /// Keeps everything back, and says so to nobody.
    pub fn hold(mut self) -> Self {
        self.hold = true;
        self
    }

    /// Each piece arrives so much later, and up to `jitter` later than that; pieces stay in order.
    pub fn delay(mut self, delay: Duration, jitter: Duration) -> Self {
        (self.delay, self.jitter) = (delay, jitter);
        self
    }

    /// Carries so many bytes per second (at least one) over each connection, in a steady drip.
    pub fn bandwidth(mut self, bytes_per_second: u32) -> Self {
        self.bytes_per_second = Some(bytes_per_second.max(1));
        self
    }

    /// Sends pieces of at most so many bytes (at least one), each in a packet of its own if the system can.
    pub fn slices(mut self, bytes: usize) -> Self {
        self.slice = Some(bytes.max(1));
        self
    }

    /// Inverts each so-manieth byte; 1 inverts them all.
    pub fn corrupt_each(mut self, bytes: u64) -> Self {
        self.corrupt_each = Some(bytes.max(1));
        self
    }

    /// Resets a connection in the place of the byte of this number, counted from 0 from when this was ordered or the
    /// connection opened, whichever was later.
    pub fn reset_after(mut self, bytes: u64) -> Self {
        self.reset_after = Some(bytes);
        self
    }

    /// How many bytes of the next piece go out at once.
    pub(super) fn piece(&self, bytes: usize) -> usize {
        // So that a drip is steady and not a gush followed by silence.
        let steady = self
            .bytes_per_second
            .map_or(usize::MAX, |rate| (rate as usize / DRIPS).max(1));
        bytes.min(steady).min(self.slice.unwrap_or(usize::MAX))
    }

    /// How long the line is taken by so many bytes.
    pub(super) fn takes(&self, bytes: usize) -> Duration {
        self.bytes_per_second.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(bytes as f64 / f64::from(rate))
        })
    }
}

/// Pieces per second of a line with little bandwidth.
const DRIPS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_steady() {
        let line = Impairment::none().bandwidth(10_000);
        assert_eq!(line.piece(1 << 20), 100);
        assert_eq!(line.takes(100), Duration::from_millis(10));
        assert_eq!(line.slices(1).piece(1 << 20), 1);
        assert_eq!(Impairment::none().bandwidth(0).piece(10), 1);
    }

    #[test]
    fn nothing_wrong_is_no_bound() {
        assert_eq!(Impairment::none().piece(1 << 20), 1 << 20);
        assert_eq!(Impairment::none().takes(1 << 20), Duration::ZERO);
    }
}

//! Waking up when an arrival is due.
//!
//! The runtime's own timers are good to a millisecond or two, which is more than some targets take to answer. The
//! kernel's are good to some ten microseconds, and cost a system call each.

use std::time::Instant;

#[cfg(target_os = "linux")]
use self::kernel::Timer;

/// Wakes one task, again and again.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: Option<Timer>,
}

impl Alarm {
    /// Needs a runtime.
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            timer: Timer::new().ok(),
        }
    }

    /// Returns at this time or shortly after; at once, having let other tasks run now and then, if it has passed.
    pub(crate) async fn wait_until(&mut self, time: Instant) {
        tokio::task::coop::consume_budget().await;
        while let Some(early) = time
            .checked_duration_since(Instant::now())
            .filter(|early| !early.is_zero())
        {
            #[cfg(target_os = "linux")]
            if let Some(timer) = &mut self.timer
                && timer.wait(early).await.is_ok()
            {
                continue;
            }
            tokio::time::sleep(early).await;
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, RawFd};
    use std::time::Duration;

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer that the runtime waits for as it does for a socket.
    #[derive(Debug)]
    pub(super) struct Timer(AsyncFd<Descriptor>);

    #[derive(Debug)]
    struct Descriptor(TimerFd);

    impl AsRawFd for Descriptor {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    impl Timer {
        #[allow(
            deprecated,
            reason = "its successor is `unsafe`; what that guards against cannot happen to a descriptor \
                      that is owned and kept"
        )]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            AsyncFd::with_interest(Descriptor(timer), Interest::READABLE).map(Self)
        }

        /// Waits this long, which must be longer than nothing: zero would disarm the timer.
        pub(super) async fn wait(&mut self, delay: Duration) -> io::Result<()> {
            let after = Expiration::OneShot(TimeSpec::from_duration(delay));
            self.0.get_ref().0.set(after, TimerSetTimeFlags::empty())?;
            // Setting it again forgets that it went off, so there is no need to read it.
            self.0.readable().await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn it_never_goes_off_early() {
        let mut alarm = Alarm::new();
        for micros in [0, 1, 50, 2000, 300, 300] {
            let time = Instant::now() + Duration::from_micros(micros);
            alarm.wait_until(time).await;
            assert!(Instant::now() >= time, "{micros}");
        }
    }

    #[tokio::test]
    async fn a_time_that_has_passed_lets_others_run_now_and_then() {
        let other = tokio::spawn(async {});
        let mut alarm = Alarm::new();
        let long_ago = Instant::now();
        while !other.is_finished() {
            alarm.wait_until(long_ago).await;
        }
    }
}

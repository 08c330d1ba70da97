use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Time between two looks. Short, since most conditions hold at once or within a few of these.
const INTERVAL: Duration = Duration::from_millis(10);

/// Repeats `check` until it returns `Ok`, for at most `timeout`.
///
/// The check's error says what it saw; the last one becomes the cause of the error returned when time is up. A
/// check that hangs is cut at the same moment.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn pending() -> anyhow::Result<usize> { Ok(0) }
/// # async fn example() -> anyhow::Result<()> {
/// testbed::eventually(Duration::from_secs(5), async || {
///     let pending = pending().await?;
///     anyhow::ensure!(pending == 0, "{pending} entries are pending");
///     Ok(())
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
pub async fn eventually<T>(
    timeout: Duration,
    mut check: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = Instant::now() + timeout;
    let mut last = anyhow!("the first check did not return");
    loop {
        match timeout_at(end, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen,
            Err(_) => return Err(last).with_context(|| format!("still not so after {timeout:?}")),
        }
        // The condition is looked at once more at the very end, so that a short timeout still means two looks.
        if Instant::now() >= end {
            return Err(last).with_context(|| format!("still not so after {timeout:?}"));
        }
        sleep_until((Instant::now() + INTERVAL).min(end)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_the_value_as_soon_as_the_check_passes() {
        let looks = Cell::new(0);
        let looks_needed = eventually(Duration::from_secs(1), async || {
            looks.set(looks.get() + 1);
            anyhow::ensure!(looks.get() >= 5, "looked {} times", looks.get());
            Ok(looks.get())
        })
        .await
        .unwrap();
        assert_eq!(looks_needed, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn says_what_it_saw_last() {
        let looks = Cell::new(0);
        let error = eventually::<()>(Duration::from_millis(95), async || {
            looks.set(looks.get() + 1);
            anyhow::bail!("looked {} times", looks.get())
        })
        .await
        .unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "still not so after 95ms: looked 11 times"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn cuts_a_check_that_hangs() {
        let error = eventually::<()>(Duration::from_secs(1), pending)
            .await
            .unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "still not so after 1s: the first check did not return"
        );
    }
}

//! Finding the capacity: more and more load until more of it brings no more answers.

use std::time::Duration;

use super::figures::timeline;
use super::flood::Flood;
use super::plan::Flow;
use super::regime::Regime;
use super::walk::targets;
use crate::System;

/// Each step asks for so much more than the one before.
const STEP: f64 = 1.25;

/// The first step of a system of which nothing is known, in requests per second.
const FIRST: f64 = 500.0;

/// A step that brings less than this much more than the best before it is past the capacity; the second such ends
/// the ramp.
const GAIN: f64 = 1.03;

/// More steps than any machine needs.
const MOST: u32 = 24;

/// The most requests per second that were answered 2xx within their deadline, at whatever rate they came. A `step`
/// is a whole number of seconds.
pub(super) async fn capacity(
    system: &System,
    regime: &Regime,
    step: Duration,
) -> anyhow::Result<f64> {
    let mut rate = regime.nominal().map_or(FIRST, |nominal| nominal / 2.0);
    let (mut best, mut past) = (0.0, 0);
    for _ in 0..MOST {
        let goodput = goodput(system, regime, rate, step).await?;
        if goodput < best * GAIN {
            past += 1;
        }
        best = goodput.max(best);
        if past == 2 {
            break;
        }
        rate *= STEP;
    }
    Ok(best)
}

async fn goodput(
    system: &System,
    regime: &Regime,
    rate: f64,
    step: Duration,
) -> anyhow::Result<f64> {
    let onset = Flow::new(rate, Duration::ZERO, step).aside();
    let judged = Flow::new(rate, step, step);
    let flood = Flood::start(&[onset, judged], 1.0, &targets(system)?, regime.deadline)?;
    while !flood.is_over() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // By when answers came, not by when their requests were due: a queue that still grows takes more than is done.
    let seconds = timeline(&flood.end()?);
    let (from, to) = (judged.begins, judged.begins + judged.lasts);
    let judged = seconds
        .get(from.as_secs() as usize..to.as_secs() as usize)
        .unwrap_or_default();
    let succeeded: u64 = judged.iter().map(|second| second.succeeded).sum();
    Ok(succeeded as f64 / step.as_secs_f64())
}

//! Short rounds of the random mode. `scripts/chaos.sh` plays as many as one likes.

#![allow(
    clippy::print_stderr,
    reason = "the test runner shows it where a test fails"
)]

use system_tests::chaos::{Intensity, Plan, run};

/// The same each time, with all kinds of faults.
#[tokio::test]
async fn a_round_of_many_faults_at_once() -> anyhow::Result<()> {
    play(Plan::draw(SEED, Intensity::High)).await
}

/// Another one each time. Its seed is printed first, and shown when it fails.
#[tokio::test]
async fn a_round_that_nobody_has_seen_before() -> anyhow::Result<()> {
    play(Plan::draw(fastrand::u32(..).into(), Intensity::Low)).await
}

const SEED: u64 = 2026;

async fn play(plan: Plan) -> anyhow::Result<()> {
    eprint!("{plan}");
    let passed = run(&plan).await?;
    eprintln!("{passed}");
    Ok(())
}

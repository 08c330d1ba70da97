//! Rounds of random faults against the whole system on this machine.
#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use system_tests::chaos::{Intensity, Plan, Report, run};

/// Runs rounds of random faults against the whole system on this machine: ingresses, proxies and a Redis, all private.
///
/// Each round draws its system and its faults from a seed. While they run, callers may be refused or wait in vain, and
/// nothing worse; when they are over everything must be served within ten seconds, and nothing may be left over. A
/// round that fails keeps its folder: the plan, what failed, the history of the callers, all logs, Redis's data. Exit
/// code 1 says that one failed.
#[derive(Parser)]
#[command(name = "scripts/chaos.sh")]
struct Options {
    /// Goes on for so many minutes; the last round is played to its end [default: 5, or as long as --rounds takes]
    #[arg(long)]
    minutes: Option<f64>,
    /// Goes on for so many rounds
    #[arg(long)]
    rounds: Option<usize>,
    /// What the first round draws from, and the seeds of the others [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// low: a few faults, one after the other. high: many, several at once
    #[arg(long, default_value = "low")]
    intensity: Intensity,
    /// Prints what each round would do, and does nothing
    #[arg(long)]
    plan: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let intensity = options.intensity;
    let seed = options.seed.unwrap_or_else(|| fastrand::u32(..).into());
    println!("seed {seed}, {intensity} intensity");
    let (began, mut report) = (Instant::now(), Report::default());
    for (number, seed) in seeds(seed).enumerate() {
        if is_over(&options, number, began.elapsed()) {
            break;
        }
        let plan = Plan::draw(seed, intensity);
        if options.plan {
            println!("{plan}");
            continue;
        }
        match run(&plan).await {
            Ok(passed) => {
                println!("round {number}, seed {seed}: {passed}");
                report.passed(seed, passed);
            }
            Err(why) => {
                println!("round {number}, seed {seed}: FAILED\n{plan}{why:#}");
                println!(
                    "again: scripts/chaos.sh --rounds 1 --intensity {intensity} --seed {seed}"
                );
                report.failed(seed);
            }
        }
    }
    if options.plan {
        return ExitCode::SUCCESS;
    }
    println!("{report}");
    match report.failures() {
        [] => ExitCode::SUCCESS,
        failures => {
            println!("failed:    {failures:?}");
            ExitCode::FAILURE
        }
    }
}

/// The seed of each round. The first is the one that was given, so that any round can be played alone.
fn seeds(first: u64) -> impl Iterator<Item = u64> {
    let mut rng = fastrand::Rng::with_seed(first);
    std::iter::once(first).chain(std::iter::repeat_with(move || rng.u32(..).into()))
}

fn is_over(options: &Options, rounds: usize, elapsed: Duration) -> bool {
    let minutes = match (options.minutes, options.rounds) {
        (None, None) => Some(5.0),
        (minutes, _) => minutes,
    };
    options.rounds.is_some_and(|most| rounds >= most)
        || minutes.is_some_and(|minutes| elapsed.as_secs_f64() >= minutes * 60.0)
}

//! The `bench` program: measures, and says what it found.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use benchmarks::guard::{self, Bounds, Usual};
use benchmarks::{Bench, Scenario, about, goals, goals_table, page, scenarios_with_goals, table};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use serde_json::json;

/// Measures `ingress` and `proxy` beside what people would use in their place. Exit code: 0 measured, 1 a request
/// failed or a system did not start or, with --guard, a request got dearer, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Arguments {
    /// Fewer and shorter rounds: nine minutes in place of 52
    #[arg(long)]
    quick: bool,
    /// What to find out; everything unless given
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    scenario: Vec<Scenario>,
    /// Only what the project's goals look at
    #[arg(long, conflicts_with = "scenario")]
    goals: bool,
    /// Only whether a request got dearer than guard.json says, and at which step; under five minutes
    #[arg(long, conflicts_with_all = ["scenario", "goals", "quick", "threads", "html", "json"])]
    guard: bool,
    /// With --guard: write what is found into that file as what is usual
    #[arg(long, requires = "guard")]
    write: bool,
    /// Where what is usual is written down
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/guard.json"), value_name = "PATH")]
    bounds: PathBuf,
    /// Threads that serve in each process
    #[arg(long, default_value = "1", value_name = "N")]
    threads: NonZeroUsize,
    /// A folder with `ingress` and `proxy` of another build, to be measured beside this one as `before`, in c1, c64,
    /// c256 and rate500, or those of them that --scenario names
    #[arg(long, conflicts_with_all = ["guard", "goals"], value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Where to write the page with the charts
    #[arg(long, default_value = "benchmark.html", value_name = "PATH")]
    html: PathBuf,
    /// Where to write the figures for programs
    #[arg(long, default_value = "benchmark.json", value_name = "PATH")]
    json: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let alone = arguments.scenario.iter().find(|it| !it.has_all_systems());
    if let (Some(scenario), Some(_)) = (alone, &arguments.against) {
        let why = format!(
            "--against is for c1, c64, c256 and rate500, not {}",
            scenario.name()
        );
        Arguments::command()
            .error(ErrorKind::ArgumentConflict, why)
            .exit();
    }
    let bench = Bench {
        quick: arguments.quick,
        threads: arguments.threads.get(),
        against: arguments.against.clone(),
        tell,
    };
    let done = match arguments.guard {
        true => stays_fast(&bench, &arguments).await,
        false => measure(&bench, &arguments).await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(bench: &Bench, arguments: &Arguments) -> anyhow::Result<()> {
    testbed::raise_descriptor_limit()?;
    let about = about().await?;
    println(&about);
    let chosen = match (arguments.goals, arguments.scenario.is_empty()) {
        (true, _) => scenarios_with_goals(),
        (false, true) => {
            let all = Scenario::value_variants().iter().copied();
            all.filter(|it| arguments.against.is_none() || it.has_all_systems())
                .collect()
        }
        (false, false) => arguments.scenario.clone(),
    };
    let mut outcomes = Vec::new();
    for scenario in chosen {
        tell(&scenario.name());
        let outcome = scenario.run(bench).await;
        let outcome = outcome.with_context(|| scenario.name())?;
        println(&table(&outcome));
        outcomes.push(outcome);
        // After each, so that what was measured is there even if a later one fails.
        let goals = goals(&outcomes);
        let report = json!({
            "format": "benchmark-report/1",
            "about": about,
            "endedAt": jiff::Timestamp::now().to_string(),
            "quick": bench.quick,
            "threads": bench.threads,
            "goals": goals,
            "scenarios": outcomes,
        });
        fs::write(&arguments.json, serde_json::to_string_pretty(&report)?)?;
        fs::write(&arguments.html, page(&outcomes, &goals, &about))?;
    }
    println(&goals_table(&goals(&outcomes)));
    Ok(())
}

/// Whether nothing got dearer.
async fn stays_fast(bench: &Bench, arguments: &Arguments) -> anyhow::Result<bool> {
    let path = &arguments.bounds;
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let bounds: Bounds = serde_json::from_str(&text)?;
    let (mut usual, mut dearer) = (BTreeMap::new(), Vec::new());
    for outcome in guard::measure(bench).await? {
        println(&table(&outcome));
        let comparison = outcome.comparisons.first().context("nothing to compare")?;
        usual.insert(outcome.name.to_owned(), Usual::of(comparison));
        if !arguments.write {
            dearer.extend(bounds.judge(outcome.name, comparison)?);
        }
    }
    if arguments.write {
        let bounds = Bounds { usual, ..bounds };
        fs::write(path, serde_json::to_string_pretty(&bounds)? + "\n")?;
        return Ok(true);
    }
    for dearer in &dearer {
        println(&format!("✗ {dearer}"));
    }
    if dearer.is_empty() {
        let percent = (bounds.slack - 1.0) * 100.0;
        println(&format!("✓ no step costs {percent:.0} % more than usual"));
    }
    Ok(dearer.is_empty())
}

#[allow(clippy::print_stdout, reason = "the table is what the program is for")]
fn println(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "whoever waits is told how far it is")]
fn tell(text: &str) {
    eprintln!("{text}");
}

//! The `overload` program: floods systems on this machine and says whether they kept their bounds.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use system_tests::overload::{Pace, Regime, page, table, walk};
use testbed::{load_average, machine};

/// Floods the whole system on this machine, from half of what it can do to twenty times that, and says whether it
/// kept its bounds. Exit code: 0 passed, 1 failed, 2 wrong usage, 3 it could not be found out.
#[derive(Debug, Parser)]
#[command(name = "overload", max_term_width = 100)]
struct Arguments {
    /// Short rows: about four minutes in place of eight; figures are coarser
    #[arg(long)]
    quick: bool,
    /// Which systems: terminals and upstream, whose terminals are short, and processors, where the machine itself is
    #[arg(long, value_delimiter = ',', default_value = "terminals,upstream", value_parser = regime)]
    regimes: Vec<Regime>,
    /// Where to write the page with the charts
    #[arg(long, default_value = "overload.html")]
    html: PathBuf,
    /// Where to write the figures for programs
    #[arg(long, default_value = "overload.json")]
    json: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match keeps_its_bounds(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(&format!("{error:#}"));
            ExitCode::from(3)
        }
    }
}

async fn keeps_its_bounds(arguments: Arguments) -> anyhow::Result<bool> {
    testbed::raise_descriptor_limit()?;
    let pace = match arguments.quick {
        true => Pace {
            onset: Duration::from_secs(3),
            judged: Duration::from_secs(5),
        },
        false => Pace {
            onset: Duration::from_secs(5),
            judged: Duration::from_secs(20),
        },
    };
    let mut walks = Vec::new();
    for regime in arguments.regimes {
        let walked = walk(regime, pace, tell).await?;
        println(&table(&walked));
        walks.push(walked);
    }
    let passed = walks.iter().all(|walked| walked.passed());
    let machine = format!("{}; load average at the end {}", machine(), load_average());
    let report = json!({ "format": "overload-report/1", "machine": machine, "passed": passed, "regimes": walks });
    fs::write(&arguments.json, serde_json::to_string_pretty(&report)?)?;
    fs::write(&arguments.html, page(&walks, &machine))?;
    tell(&format!(
        "{} and {}",
        arguments.html.display(),
        arguments.json.display()
    ));
    Ok(passed)
}

fn regime(name: &str) -> Result<Regime, String> {
    let all = [
        Regime::terminals(),
        Regime::upstream(),
        Regime::processors(),
    ];
    let names = all.each_ref().map(|regime| regime.name).join(", ");
    let named = all.into_iter().find(|regime| regime.name == name);
    named.ok_or_else(|| format!("there are {names}"))
}

#[allow(clippy::print_stdout, reason = "the table is what the program is for")]
fn println(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "whoever waits is told how far it is")]
fn tell(text: &str) {
    eprintln!("{text}");
}

//! The benchmark: `ingress` and `proxy` beside what people would use in their place, on one machine, in one run.
//!
//! What is compared with is in `peers/`, each in one file, and the engine alone beside them. The `bench`
//! program starts systems of each kind ([`Spec`], [`System`]), lets the load tester's requests come, measures them in
//! turn, round by round, and gives the ratios ([`Outcome`]). `docs/performance.md` says how to read them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod peer;

mod system;

mod figures;
mod load;
mod rounds;
mod spread;

mod outcome;
mod scenarios;

mod goals;
pub mod guard;

mod about;
mod report;

pub use about::about;
pub use figures::Figures;
pub use goals::{Reached, goals, scenarios_with_goals};
pub use load::Arrivals;
pub use outcome::{Case, Column, Comparison, Outcome};
pub use report::page::page;
pub use report::table::{goals_table, table};
pub use rounds::{Contender, Rounds, in_turn};
pub use scenarios::{Bench, Scenario};
pub use spread::Spread;
pub use system::{Kind, Spec, Steps, System};

/// What a value is called on the command line.
fn word(value: &impl clap::ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or(String::new(), |value| value.get_name().to_owned())
}

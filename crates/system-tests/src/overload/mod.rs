//! Floods: what the system does when more is asked of it than it can do.
//!
//! A [`Regime`] is a system whose limit is of one kind: the number of terminals, a slow upstream, the processors of
//! the machine. [`walk()`] starts it, finds its capacity by a ramp (`ramp.rs`), and walks the plan (`plan.rs`): rows of
//! load in multiples of that capacity, with something that happens on the way. Load comes from the load tester's open
//! loop, on a thread of its own (`flood.rs`); meanwhile every process is looked at from outside (`sampler.rs`). What
//! came of a row (`figures.rs`) is held against its bounds (`verdict.rs`), and told as a table and a page.

mod figures;
mod flood;
mod page;
mod plan;
mod ramp;
mod regime;
mod sampler;
mod table;
mod verdict;
mod walk;

pub use page::page;
pub use plan::Pace;
pub use regime::Regime;
pub use table::table;
pub use walk::{Walked, walk};

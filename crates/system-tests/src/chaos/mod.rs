//! The random mode: rounds of faults drawn by a seed, each round in a system of its own.
//!
//! A [`Plan`] says what a round does and when; it is made from a seed alone, so that the same seed does the same. A
//! round has two phases. While faults run, requests may be refused or time out, and nothing worse: that is *safety*.
//! Then all faults end, and within ten seconds everything must be served again, with nothing left over: that is
//! *liveness*. Then the whole of it is judged by [`System::conclude`](crate::System::conclude), as each test is.

mod faults;
mod plan;
mod report;
mod round;

pub use faults::{Fault, Harm, LineFault, ProcessFault, RedisFault, Traffic};
pub use plan::{Intensity, Plan, Planned, Size};
pub use report::{Passed, Report};
pub use round::run;

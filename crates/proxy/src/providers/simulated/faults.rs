//! Cities that make a terminal misbehave, so that an experiment can watch what the rest does about it.
//! They are ordinary names unless `SIMULATED_FAULTS=true`.

use crate::providers::ProviderError;

/// What a poisoned city does to the terminal that serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `panic!`: the handler panics.
    Panic,
    /// `abort!`: the whole process ends at once, as by a segmentation fault or the kernel's OOM killer.
    Abort,
    /// `hang!`: the handler never returns.
    Hang,
    /// `fail!`: the provider reports a failure.
    Fail,
}

impl Fault {
    /// The fault that a city stands for, if any.
    pub(super) fn of(city: &str) -> Option<Self> {
        match city.trim() {
            "panic!" => Some(Self::Panic),
            "abort!" => Some(Self::Abort),
            "hang!" => Some(Self::Hang),
            "fail!" => Some(Self::Fail),
            _ => None,
        }
    }

    /// Does it. Returns only where the fault is an error.
    #[expect(clippy::panic, reason = "the panic is what was asked for")]
    pub(super) async fn strike(self) -> ProviderError {
        tracing::warn!(fault = ?self, "a poisoned city strikes");
        match self {
            Self::Panic => panic!("the city panic! was asked for"),
            Self::Abort => std::process::abort(),
            Self::Hang => std::future::pending().await,
            Self::Fail => ProviderError::Simulated,
        }
    }
}

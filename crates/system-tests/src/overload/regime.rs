//! The systems that are flooded.

use std::time::Duration;

use serde::Serialize;

use crate::{OpenMeteo, System, SystemBuilder};

/// A system whose limit is of one kind.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regime {
    /// What it is called.
    pub name: &'static str,
    /// What limits it.
    pub about: &'static str,
    /// How many ingresses share the load.
    pub ingresses: usize,
    /// How many proxies.
    pub proxies: usize,
    /// Terminals of each proxy.
    pub terminals: u32,
    /// How long the work of one request takes.
    pub work: Duration,
    /// How long a request may take in all: `REQUEST_TIMEOUT`. Callers are a little more patient.
    pub deadline: Duration,
    /// Where the work is done.
    pub place: Place,
    /// `MAX_IN_FLIGHT` of each ingress, where it is not the default.
    pub max_in_flight: Option<u32>,
}

/// Where the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// In the proxy: the simulated provider.
    Proxy,
    /// In a service behind the proxy, which can get slower.
    Upstream,
}

impl Regime {
    /// The terminals are what is short; the machine is far from its limit.
    pub fn terminals() -> Self {
        Self {
            name: "terminals",
            about: "10 terminals of 100 ms each; the machine is far from its limit",
            ingresses: 2,
            proxies: 2,
            terminals: 5,
            work: Duration::from_millis(100),
            deadline: Duration::from_millis(1_500),
            place: Place::Proxy,
            max_in_flight: None,
        }
    }

    /// The same, with the work done by a service that the proxies ask over HTTP.
    pub fn upstream() -> Self {
        Self {
            name: "upstream",
            about: "10 terminals that wait for an upstream of 100 ms",
            place: Place::Upstream,
            ..Self::terminals()
        }
    }

    /// The processors are what is short, and the generator takes its share of them. What piles up then piles up in the
    /// ingress itself, so that it is told how many requests it has on its way when it is busy.
    pub fn processors() -> Self {
        Self {
            name: "processors",
            about: "work that takes no time, one ingress, one proxy; the generator runs on the same processors",
            ingresses: 1,
            proxies: 1,
            terminals: 64,
            work: Duration::ZERO,
            deadline: Duration::from_secs(2),
            place: Place::Proxy,
            max_in_flight: Some(1_000),
        }
    }

    /// What its terminals could do if nothing but the work took time.
    pub(super) fn nominal(&self) -> Option<f64> {
        let terminals = self.proxies as f64 * f64::from(self.terminals);
        (!self.work.is_zero()).then(|| terminals / self.work.as_secs_f64())
    }

    /// The system, not started yet. `upstream` is where its work is done, if not in the proxies.
    pub(super) fn system(&self, upstream: Option<&OpenMeteo>) -> SystemBuilder {
        let work = format!("{}ms", self.work.as_millis());
        let mut system = System::builder()
            .without_ledger()
            .ingresses(self.ingresses)
            .proxies(self.proxies)
            .request_timeout(self.deadline)
            .proxy("TERMINALS", &self.terminals.to_string())
            .proxy("PROCESSING_TIME", &work);
        if let Some(requests) = self.max_in_flight {
            system = system.ingress("MAX_IN_FLIGHT", &requests.to_string());
        }
        if let Some(upstream) = upstream {
            system = system.provider(upstream);
        }
        system
    }
}

use testbed::Expectations;

/// Counters that a fault of Redis, or of the way there, may move.
pub const REDIS_FAULT: &[&str] = &[
    "circuit_breaker_transitions_total",
    "groups_created_total",
    "redis_command_retries_total",
    "redis_reconnects_total",
    "replies_late_total",
    "replies_refused_total",
    "replies_unmatched_total",
    "requests_duplicate_total",
    "requests_expired_total",
    "requests_lapsed_total",
    "requests_reclaimed_total",
    "requests_refused_total",
    "requests_timed_out_total",
    "requests_withdrawn_total",
];

/// Counters that move when a proxy goes without a goodbye, or stands still for longer than its lease.
pub const DUPLICATES: &[&str] = &[
    "replies_unmatched_total",
    "requests_duplicate_total",
    "requests_lapsed_total",
    "requests_reclaimed_total",
];

/// How many lines a process may log in a calm run; one that logs in a loop is far beyond.
const LINES: usize = 80;

/// What a run may show. As made, everything must be calm: each method allows more.
#[must_use]
pub struct Allowed {
    pub(super) history: Expectations,
    pub(super) dead_letters: u64,
    pub(super) consumers: u64,
    pub(super) counters: Vec<&'static str>,
    pub(super) errors: Vec<&'static str>,
    pub(super) beside: bool,
    pub(super) losses: Vec<&'static str>,
    pub(super) poison: Option<Vec<&'static str>>,
    pub(super) bystanders: bool,
    pub(super) outages: bool,
    pub(super) lines: usize,
}

impl Allowed {
    /// All requests are answered 200, and no counter of anything unusual moves.
    pub fn nothing() -> Self {
        Self {
            history: Expectations::default(),
            dead_letters: 0,
            consumers: 0,
            counters: Vec::new(),
            errors: Vec::new(),
            beside: false,
            losses: Vec::new(),
            poison: None,
            bystanders: false,
            outages: false,
            lines: LINES,
        }
    }

    /// What a fault of Redis may do to callers, 503 and 504, and to the counters.
    pub fn redis_fault() -> Self {
        Self::nothing().statuses([503, 504]).counters(REDIS_FAULT)
    }

    /// These statuses beside 200, for any number of requests.
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.history = self.history.allow(statuses).min_success(0.0);
        self
    }

    /// The part of the requests that must be answered 200 all the same.
    pub fn min_success(mut self, ratio: f64) -> Self {
        self.history = self.history.min_success(ratio);
        self
    }

    /// So many requests without an HTTP answer, as when the ingress itself is killed.
    pub fn failures(mut self, at_most: usize) -> Self {
        self.history = self.history.failures(at_most).min_success(0.0);
        self
    }

    /// Exactly so many dead letters.
    pub fn dead_letters(mut self, count: u64) -> Self {
        self.dead_letters = count;
        self
    }

    /// So many consumers of proxies that left in order, beside those of killed ones: one that hands work back cannot
    /// take its consumer along.
    pub fn consumers(mut self, left_behind: u64) -> Self {
        self.consumers = left_behind;
        self
    }

    /// These counters may move.
    pub fn counters(mut self, names: &[&'static str]) -> Self {
        self.counters.extend(names);
        self
    }

    /// Lines of level ERROR that contain one of these.
    pub fn errors(mut self, texts: &[&'static str]) -> Self {
        self.errors.extend(texts);
        self
    }

    /// Requests for weather that are not in the history.
    pub fn requests_beside_the_history(mut self) -> Self {
        self.beside = true;
        self
    }

    /// Entries may be lost by these commands of Redis, which the test itself carried out: `FLUSHALL`, `DEL`, `XTRIM`.
    pub fn losses(mut self, commands: &[&'static str]) -> Self {
        self.losses.extend(commands);
        self
    }

    /// Who asks for these cities may be answered 502, and no other request may become a dead letter.
    pub fn poison(mut self, cities: &[&'static str]) -> Self {
        for city in cities {
            self.history = self.history.allow_for(city, [502]);
        }
        self.poison.get_or_insert_default().extend(cities);
        self
    }

    /// Others than poison may become dead letters where every worker that had them was lost while it did. Nobody can
    /// tell such a request from one that did it.
    pub fn bystanders(mut self) -> Self {
        self.bystanders = true;
        self
    }

    /// Requests may fail that went down with an ingress, or found it away.
    pub fn outages(mut self) -> Self {
        self.outages = true;
        self.history = self.history.min_success(0.0);
        self
    }

    /// A process may log so many lines.
    pub fn lines(mut self, at_most: usize) -> Self {
        self.lines = at_most;
        self
    }
}

//! One round: the faults of a plan, their end, and the verdict.

use std::fs;
use std::time::Duration;

use testbed::{Load, Recorder, RedisServer, RunningLoad};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::plan::{Plan, Planned};
use super::report::Passed;
use crate::{Allowed, DEAD, DUPLICATES, System};

/// `REQUEST_TIMEOUT`: long enough for a lease to lapse, short enough for a round.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long all must be served when the faults are over.
const CALM: Duration = Duration::from_secs(2);

/// Between two looks for processes that have crashed.
const LOOK: Duration = Duration::from_millis(50);

/// Lines of log per process: each fault may cost every part some, and more while it lasts.
const LINES: usize = 1_000;

/// Counters that random faults move beside those of a fault of Redis.
const COUNTERS: &[&str] = &[
    "dead_letters_total",
    "replies_undecodable_total",
    "requests_handed_back_total",
    "requests_panicked_total",
    "weather_provider_errors_total",
];

/// What faults are done to.
pub(super) struct Field {
    pub(super) system: System,
    /// Those who come beside the load.
    pub(super) callers: JoinSet<anyhow::Result<()>>,
    /// Those who ask for what does harm.
    poison: JoinSet<()>,
    pub(super) burst: Option<RunningLoad>,
}

/// Carries a plan out. What went wrong is in the error, and in the folder that is kept.
pub async fn run(plan: &Plan) -> anyhow::Result<Passed> {
    let system = System::builder()
        .ingresses(plan.size.ingresses)
        .proxies(plan.size.proxies)
        .reply_streams(&["shared", "dedicated"])
        .request_timeout(DEADLINE)
        .redis(RedisServer::builder().acl("user default on nopass ~* &* +@all"))
        .line()
        .proxy("PROCESSING_TIME", &format!("{}ms", plan.work_ms))
        .proxy("SIMULATED_FAULTS", "true")
        .proxy("LEASE", "1s")
        .proxy("DRAIN_TIMEOUT", "1s")
        .start()
        .await?;
    fs::write(system.folder()?.join("plan.txt"), plan.to_string())?;
    let mut field = Field {
        system,
        callers: JoinSet::new(),
        poison: JoinSet::new(),
        burst: None,
    };
    let passed = field.play(plan).await;
    if let Err(why) = &passed {
        fs::write(
            field.system.folder()?.join("failure.txt"),
            format!("{why:#}\n"),
        )?;
    }
    passed
}

impl Field {
    async fn play(&mut self, plan: &Plan) -> anyhow::Result<Passed> {
        let load = Load::Open {
            per_second: plan.per_second,
        };
        let load = self.system.load(load);
        self.system.until_answered(20).await?;
        self.faults(plan).await?;
        self.harmless().await?;
        let recovered = self.system.recovers("the faults of the round").await?;
        self.system.serves(CALM).await?;
        load.stop().await?;
        while let Some(ended) = self.callers.join_next().await {
            ended??;
        }
        let allowed = self.allowed(plan).await?;
        let figures = self.system.conclude(&allowed).await?;
        Ok(Passed::new(plan, figures, recovered))
    }

    /// Begins and ends the faults in the order of their times. Where one takes long the next ones wait.
    async fn faults(&mut self, plan: &Plan) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut steps: Vec<(Duration, bool, &Planned)> = Vec::new();
        for planned in &plan.faults {
            steps.push((planned.from, false, planned));
            if planned.has_end() {
                steps.push((planned.until, true, planned));
            }
        }
        // At the same moment ends come first. The sort keeps the order of what is equal.
        steps.sort_by_key(|(at, ends, _)| (*at, !ends));
        for (at, ends, planned) in steps {
            self.watch_until(began + at).await?;
            let fault = planned.fault;
            if ends {
                self.system.note(&format!("over: {fault}"));
                fault.end(self).await?;
            } else {
                self.system.note(&format!("fault: {fault}"));
                let lasts = planned.until - planned.from;
                fault.begin(self, lasts.as_millis() as u64).await?;
            }
        }
        Ok(())
    }

    /// Starts crashed proxies again until then.
    async fn watch_until(&mut self, then: Instant) -> anyhow::Result<()> {
        loop {
            self.system.restart_crashed_proxies().await?;
            if Instant::now() >= then {
                return Ok(());
            }
            sleep_until(then.min(Instant::now() + LOOK)).await;
        }
    }

    /// Waits until nothing that was sent can do harm any more: that is the end of the faults.
    async fn harmless(&mut self) -> anyhow::Result<()> {
        while !self.poison.is_empty() {
            while let Some(ended) = self.poison.try_join_next() {
                ended?;
            }
            self.system.restart_crashed_proxies().await?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Who asks the ingress of this number, counted on from the last to the first.
    pub(super) fn caller_of(&self, number: usize) -> (Recorder, String) {
        let ingresses = self.system.ingresses();
        let base = ingresses[number % ingresses.len()].base().to_owned();
        (self.system.recorder(), base)
    }

    /// Asks for a city that does harm.
    pub(super) fn poison(&mut self, ingress: usize, city: &'static str, number: u32) {
        let (recorder, base) = self.caller_of(ingress);
        self.poison.spawn(async move {
            let over = Instant::now() + DEADLINE;
            let location = format!("Quarter {number}");
            let outcome = recorder.send_city(&base, city, &location).await;
            // Its entry may be there still, until its deadline.
            if !matches!(outcome.status(), Some(502 | 504)) {
                sleep_until(over).await;
            }
        });
    }

    async fn allowed(&self, plan: &Plan) -> anyhow::Result<Allowed> {
        // Of what kind they are the ledger tells.
        let dead_letters: u64 = self.system.redis().command(&["XLEN", DEAD]).await?;
        Ok(Allowed::redis_fault()
            .counters(DUPLICATES)
            .counters(COUNTERS)
            .outages()
            .losses(&["FLUSHALL", "DEL", "XTRIM", "SET"])
            .poison(&["panic!", "abort!"])
            .bystanders()
            .dead_letters(dead_letters)
            .consumers(plan.faults.len() as u64)
            .errors(&["panic", "moved to the dead letters"])
            .lines(LINES))
    }
}

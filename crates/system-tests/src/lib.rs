//! The whole system on this machine: a private Redis, ingresses and proxies as real processes, callers, and the
//! history of what the callers saw.
//!
//! A test builds a [`System`], lets callers come, does harm, and ends with [`System::finish`]. That looks at all that
//! must hold whatever happened: each request had one answer in time, and its own; each entry in Redis had an end that
//! goes together with that answer; the sums agree; nothing is left in the streams; every process is at rest, has its
//! memory and descriptors back and logged no error. What a test allows beyond a calm run it says by [`Allowed`].
//!
//! A system that is dropped without having finished well keeps its folder (history, logs, Redis's data) and prints
//! where it is and how the logs end.

#![allow(
    clippy::expect_used,
    reason = "a test that asks for what it has not built is to end there"
)]

mod allowed;
mod balancer;
mod builder;
pub mod chaos;
mod departure;
mod failover;
mod finish;
mod log;
mod open_meteo;
pub mod overload;
mod recovery;
mod rest;
mod service;
mod verdict;

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, ensure};
use testbed::{
    Answer, Folder, History, HttpClient, Load, Outcome, Recorder, RedisServer, RunningLoad,
    Targets, TcpProxy, eventually,
};
use tokio::task::JoinSet;

pub use allowed::{Allowed, DUPLICATES, REDIS_FAULT};
pub use balancer::Balancer;
pub use builder::SystemBuilder;
pub use open_meteo::{Behaviour, OpenMeteo};
pub use service::{Kind, Service};
pub use verdict::Figures;

use failover::Guard;
use log::tail;
use service::Launch;

/// Longer than anything takes that is not wrong, also on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// `REQUEST_TIMEOUT` where a test keeps the machine so busy that an ingress gets its turn late, and is not about that:
/// one that is late by a hundredth of this refuses callers.
pub const BUSY: Duration = Duration::from_secs(60);

/// Where callers ask for the weather.
pub const CITY: &str = "/WeatherForecast/city";

/// The request stream, by its default name like all of these.
pub const REQUESTS: &str = "weather-requests";
/// The shared reply stream.
pub const RESPONSES: &str = "weather-responses";
/// The dead-letter stream.
pub const DEAD: &str = "weather-requests:dead";
/// The consumer group of the proxies.
pub const GROUP: &str = "weather-proxies";

/// A request under way.
pub type Asking = Pin<Box<dyn Future<Output = anyhow::Result<Answer>> + Send>>;

/// A running system.
pub struct System {
    ingresses: Vec<Service>,
    proxies: Vec<Service>,
    redis: RedisServer,
    /// What stands by for Redis, and who decides.
    guard: Option<Guard>,
    /// The append-only file of the primary that was replaced.
    former: Option<Folder>,
    /// Whether Redis's append-only file tells the whole run.
    ledger: bool,
    /// Whether the services have the least rights in Redis and no more.
    least_rights: bool,
    line: Option<TcpProxy>,
    recorder: Recorder,
    history: History,
    targets: Targets,
    client: HttpClient,
    launch: Launch,
    /// What was measured on the way, for the report.
    measured: Vec<String>,
    /// `None` once it was given up to be kept.
    folder: Option<Folder>,
    finished: bool,
}

impl System {
    /// Describes a system to start: one ingress, one proxy, a Redis that keeps nothing on disk.
    pub fn builder() -> SystemBuilder {
        SystemBuilder::default()
    }

    /// One ingress and one proxy with the settings that tests use unless they say otherwise.
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// The server that all share.
    pub fn redis(&self) -> &RedisServer {
        &self.redis
    }

    /// The way to Redis, of a system that was built with one to cut.
    pub fn line(&self) -> &TcpProxy {
        self.line.as_ref().expect("built with a line to Redis")
    }

    /// What the callers saw so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Where its logs, Redis's data and what is written about a failure are.
    pub fn folder(&self) -> anyhow::Result<&Path> {
        let folder = self.folder.as_ref().context("the folder was given up")?;
        Ok(folder.path())
    }

    /// The ingress of this number, from 0; a wrong number is a panic, here and below.
    pub fn ingress(&self, number: usize) -> &Service {
        &self.ingresses[number]
    }

    /// The same, to start it again.
    pub fn ingress_mut(&mut self, number: usize) -> &mut Service {
        &mut self.ingresses[number]
    }

    /// All ingresses, ended or not.
    pub fn ingresses(&self) -> &[Service] {
        &self.ingresses
    }

    /// The proxy of this number, from 0.
    pub fn proxy(&self, number: usize) -> &Service {
        &self.proxies[number]
    }

    /// The same, to start it again.
    pub fn proxy_mut(&mut self, number: usize) -> &mut Service {
        &mut self.proxies[number]
    }

    /// All proxies, ended or not.
    pub fn proxies(&self) -> &[Service] {
        &self.proxies
    }

    /// Every process, ended or not.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.ingresses.iter().chain(&self.proxies)
    }

    /// Starts one more proxy with these settings beside the others', and waits until it is ready.
    pub async fn add_proxy(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let number = self.proxies.len();
        let proxy = self.launch.service(Kind::Proxy, number, settings)?;
        proxy.until_ready().await?;
        self.proxies.push(proxy);
        Ok(())
    }

    /// Starts one more ingress, waits until it is ready, and sends callers there as well.
    pub async fn add_ingress(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let number = self.ingresses.len();
        let ingress = self.launch.service(Kind::Ingress, number, settings)?;
        ingress.until_ready().await?;
        self.ingresses.push(ingress);
        self.route_to(|_| true);
        Ok(())
    }

    /// Starts those proxies again that have crashed, as whatever keeps services running does.
    pub async fn restart_crashed_proxies(&mut self) -> anyhow::Result<usize> {
        let mut restarted = 0;
        for proxy in &mut self.proxies {
            let ended = proxy.process().exit_status().is_some() && !proxy.has_ended();
            if ended && !proxy.is_away() {
                proxy.until_crashed().await?;
                proxy.start_again()?;
                restarted += 1;
            }
        }
        Ok(restarted)
    }

    /// Sends the callers to come to those ingresses, of the living ones, that the test chooses by number.
    pub fn route_to(&self, chosen: impl Fn(usize) -> bool) {
        let living = self.ingresses.iter().enumerate();
        let living = living.filter(|(number, ingress)| !ingress.has_ended() && chosen(*number));
        self.targets.set(living.map(|(_, ingress)| ingress.base()));
    }

    /// From now on sends callers where `/health/ready` says so, as a load balancer does, until it is dropped.
    pub fn balance(&self) -> Balancer {
        let ingresses = self
            .ingresses
            .iter()
            .map(|ingress| ingress.base().to_owned());
        Balancer::start(
            ingresses.collect(),
            self.client.clone(),
            self.targets.clone(),
        )
    }

    /// Lets callers come to the ingresses in turn; all they see goes into the history.
    pub fn load(&self, load: Load) -> RunningLoad {
        load.start(&self.recorder, &self.targets)
    }

    /// One caller of this ingress.
    pub async fn ask(&self, ingress: usize) -> Outcome {
        self.recorder.send(self.ingresses[ingress].base()).await
    }

    /// One caller of this ingress who asks for this city.
    pub async fn ask_for(&self, ingress: usize, city: &str) -> Outcome {
        self.recorder
            .send_city(self.ingresses[ingress].base(), city, "Centre")
            .await
    }

    /// So many callers of this ingress at the same time, in the background.
    pub fn callers(&self, ingress: usize, count: usize) -> JoinSet<Outcome> {
        let mut callers = JoinSet::new();
        for _ in 0..count {
            let recorder = self.recorder.clone();
            let base = self.ingresses[ingress].base().to_owned();
            callers.spawn(async move { recorder.send(&base).await });
        }
        callers
    }

    /// Who asks on behalf of callers; a clone must be dropped before [`finish`](Self::finish), since its idle
    /// connections count as the services' open descriptors.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// A request of the test's own, which is not in the history. It can be spawned.
    pub fn post(
        &self,
        ingress: usize,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Asking {
        let url = format!("{}{CITY}", self.ingresses[ingress].base());
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let (client, body) = (self.client.clone(), body.into());
        Box::pin(async move {
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (&**name, &**value))
                .collect();
            Ok(client.post(&url, &headers, body, LONG).await?)
        })
    }

    /// The sum of a figure over all living proxies.
    pub async fn proxies_sum(&self, name: &str) -> anyhow::Result<f64> {
        sum(&self.proxies, name).await
    }

    /// The sum of a figure over all living ingresses.
    pub async fn ingresses_sum(&self, name: &str) -> anyhow::Result<f64> {
        sum(&self.ingresses, name).await
    }

    /// Waits until every living process is ready.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        for service in self.services().filter(|service| !service.has_ended()) {
            service.until_ready().await?;
        }
        Ok(())
    }

    /// Waits until no ingress is ready: none can hand requests on.
    pub async fn until_ingresses_unready(&self) -> anyhow::Result<()> {
        for ingress in self.ingresses.iter().filter(|ingress| !ingress.has_ended()) {
            ingress.until_unready().await?;
        }
        Ok(())
    }

    /// Waits until so many requests are on the request stream, taken by a proxy or not.
    pub async fn until_outstanding(&self, at_least: u64) -> anyhow::Result<()> {
        eventually(LONG, async || {
            let outstanding: u64 = self.redis.command(&["XLEN", REQUESTS]).await?;
            ensure!(
                outstanding >= at_least,
                "{outstanding} requests are outstanding"
            );
            Ok(())
        })
        .await
    }

    /// Puts a fault or another thing that happens now into the history.
    pub fn note(&self, text: &str) {
        self.history.note(text);
    }

    /// Puts a figure into the report of the run.
    pub fn report(&mut self, figure: String) {
        self.history.note(&figure);
        self.measured.push(figure);
    }

    /// Ends it without the looks of [`finish`](Self::finish), for programs that measure and judge by themselves.
    pub fn done(mut self) {
        self.finished = true;
    }

    /// Every log of a service, by its name.
    fn logs(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut logs = Vec::new();
        for entry in fs::read_dir(self.folder()?)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let name = path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                logs.push((name, fs::read_to_string(&path)?));
            }
        }
        logs.sort();
        Ok(logs)
    }
}

impl Drop for System {
    #[allow(
        clippy::print_stderr,
        reason = "the test runner shows what a failing test printed"
    )]
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // Where the test panics each process shows its own.
        if !thread::panicking() {
            for (name, log) in self.logs().unwrap_or_default() {
                eprintln!("--- the end of {name}'s log ---\n{}", tail(&log));
            }
        }
        if let Some(folder) = self.folder.take() {
            // An error here would hide the one that is the reason for all this.
            let _ = self.history.save(&folder.path().join("history.jsonl"));
            eprintln!(
                "--- history, logs and Redis's data: {}",
                folder.path().display()
            );
            std::mem::forget(folder);
        }
    }
}

async fn sum(services: &[Service], name: &str) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for service in services.iter().filter(|service| !service.has_ended()) {
        sum += service.figure(name, &[]).await?;
    }
    Ok(sum)
}

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::Value;
use testbed::{
    Answer, History, HttpClient, Metrics, Port, Process, RawConnection, binary, eventually,
};

use super::LONG;
use super::departure::Absence;

/// Environment variables by name.
pub(super) type Settings = BTreeMap<String, String>;

/// Which of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The HTTP front.
    Ingress,
    /// The worker.
    Proxy,
}

/// By kind: a command and its arguments, which is given a program and ends by running it in its own place.
#[derive(Clone, Debug, Default)]
pub(super) struct Through {
    pub(super) ingress: Vec<String>,
    pub(super) proxy: Vec<String>,
}

impl Through {
    fn of(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Ingress => &self.ingress,
            Kind::Proxy => &self.proxy,
        }
    }
}

/// What every process of a system is started with.
pub(super) struct Launch {
    pub(super) for_ingress: Settings,
    pub(super) for_proxy: Settings,
    pub(super) reply_streams: Vec<&'static str>,
    /// Commands by which the processes are started.
    pub(super) through: Through,
    pub(super) redis_url: String,
    pub(super) folder: PathBuf,
    pub(super) client: HttpClient,
    pub(super) history: History,
}

/// One ingress or proxy: a process, or several one after the other on the same port.
pub struct Service {
    kind: Kind,
    name: String,
    pub(super) base: String,
    settings: Settings,
    through: Vec<String>,
    folder: PathBuf,
    client: HttpClient,
    pub(super) history: History,
    pub(super) process: Process,
    /// What it used when it was ready for the first time since its start.
    fresh: OnceCell<Usage>,
    /// The test knows of the end of the present process.
    pub(super) ended: Cell<bool>,
    /// When it was away.
    pub(super) absences: RefCell<Vec<Absence>>,
    /// How often it went without a goodbye.
    lost: Cell<u64>,
    /// Whether the present process is not the first.
    restarted: bool,
    _port: Port,
}

/// What a process uses of the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) rss_bytes: u64,
    pub(super) fds: usize,
}

impl Kind {
    /// The name of its binary.
    pub fn program(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Proxy => "proxy",
        }
    }
}

impl Launch {
    /// Starts a process with the settings of its kind and these, and does not wait for it.
    pub(super) fn service(
        &self,
        kind: Kind,
        number: usize,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Service> {
        let port = Port::reserve()?;
        let address = format!("127.0.0.1:{}", port.number());
        let mut all = match kind {
            Kind::Ingress => self.for_ingress.clone(),
            Kind::Proxy => self.for_proxy.clone(),
        };
        all.insert("LISTEN".into(), address.clone());
        all.insert("REDIS_URL".into(), self.redis_url.clone());
        all.insert("LOG_FORMAT".into(), "json".into());
        if kind == Kind::Ingress {
            let mode = self.reply_streams[number % self.reply_streams.len()];
            all.insert("REPLY_STREAM".into(), mode.into());
        }
        all.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into())),
        );
        let name = format!("{}-{number}", kind.program());
        let through = self.through.of(kind).to_vec();
        let process = spawn(kind, &name, &self.folder, &all, &through)?;
        Ok(Service {
            kind,
            base: format!("http://{address}"),
            settings: all,
            through,
            folder: self.folder.clone(),
            client: self.client.clone(),
            history: self.history.clone(),
            process,
            fresh: OnceCell::new(),
            ended: Cell::new(false),
            absences: RefCell::default(),
            lost: Cell::new(0),
            restarted: false,
            name,
            _port: port,
        })
    }
}

fn spawn(
    kind: Kind,
    name: &str,
    folder: &std::path::Path,
    settings: &Settings,
    through: &[String],
) -> anyhow::Result<Process> {
    let program = binary(kind.program())?;
    let builder = match through {
        [] => Process::builder(name, program),
        [command, args @ ..] => Process::builder(name, command).args(args).arg(program),
    };
    builder.folder(folder).envs(settings).spawn()
}

impl Service {
    /// Which of the two it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name in logs and histories, such as `proxy-0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The present process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// What it was started with, by environment variable.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// A connection whose every byte is the test's.
    pub async fn raw(&self) -> anyhow::Result<RawConnection> {
        RawConnection::open(&self.base).await
    }

    /// A GET of one of its paths, whatever it answers.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let answer = self.client.get(&format!("{}{path}", self.base), LONG).await;
        answer.with_context(|| format!("GET {path} of {}", self.name))
    }

    /// The JSON of a GET that succeeds.
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(path).await?;
        ensure!(
            answer.status == 200,
            "GET {path} of {} says {answer:?}",
            self.name
        );
        answer.json()
    }

    /// All its metrics.
    pub async fn metrics(&self) -> anyhow::Result<Metrics> {
        Metrics::scrape(&self.client, &format!("{}/metrics", self.base), LONG).await
    }

    /// The sum of all samples of this name with these labels; an error if there is none.
    pub async fn figure(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<f64> {
        let figure = self.metrics().await?.sum(name, labels);
        figure.with_context(|| format!("{} has no {name}{labels:?}", self.name))
    }

    /// Waits until a figure is as the test wants it, and returns it.
    pub async fn until_figure(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        wanted: impl Fn(f64) -> bool,
    ) -> anyhow::Result<f64> {
        let reached = eventually(LONG, async || {
            let figure = self.figure(name, labels).await?;
            ensure!(
                wanted(figure),
                "{name}{labels:?} of {} is {figure}",
                self.name
            );
            Ok(figure)
        });
        reached.await
    }

    /// What `/health/ready` says.
    pub async fn is_ready(&self) -> anyhow::Result<bool> {
        let answer = self.get("/health/ready").await?;
        match answer.status {
            200 => Ok(true),
            503 => Ok(false),
            _ => anyhow::bail!("/health/ready of {} says {answer:?}", self.name),
        }
    }

    /// Waits until it is ready.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        eventually(LONG, async || {
            ensure!(
                self.process.exit_status().is_none(),
                "{} has ended",
                self.name
            );
            let answer = self.get("/health/ready").await?;
            ensure!(
                answer.status == 200,
                "{} is not ready: {}",
                self.name,
                answer.text()
            );
            Ok(())
        })
        .await?;
        self.fresh.get_or_init(|| {
            self.usage().unwrap_or(Usage {
                rss_bytes: 0,
                fds: 0,
            })
        });
        self.is_back();
        Ok(())
    }

    /// Waits until it is not.
    pub async fn until_unready(&self) -> anyhow::Result<()> {
        eventually(LONG, async || {
            ensure!(!self.is_ready().await?, "{} is ready", self.name);
            Ok(())
        })
        .await
    }

    /// Whether the present process has ended and the test knows of it.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether its first process is still there, so that its counters cover the whole run.
    pub(super) fn lived_throughout(&self) -> bool {
        !self.ended.get() && !self.restarted
    }

    /// How often it ended without a goodbye.
    pub(super) fn times_lost(&self) -> u64 {
        self.lost.get()
    }

    pub(super) fn fresh(&self) -> Option<Usage> {
        self.fresh.get().copied()
    }

    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        Ok(Usage {
            rss_bytes: self.process.rss_bytes()?,
            fds: self.process.open_fds()?,
        })
    }

    /// The test ends it in a way of its own and waits for this exit code.
    pub async fn until_exit(&self, code: i32) -> anyhow::Result<()> {
        let status = self.process.wait_exit(LONG).await?;
        self.lost();
        ensure!(
            status.code() == Some(code),
            "{} ended with {status}",
            self.name
        );
        Ok(())
    }

    /// It went without a goodbye.
    pub(super) fn lost(&self) {
        self.lost.set(self.lost.get() + 1);
        self.ended.set(true);
    }

    /// SIGSTOP.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.note("is stopped");
        self.process.freeze().await
    }

    /// SIGCONT.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.note("goes on");
        self.process.thaw()
    }

    /// Starts it again, with the same settings on the same port, and does not wait for it.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.ended.get(), "{} still runs", self.name);
        self.process = spawn(
            self.kind,
            &self.name,
            &self.folder,
            &self.settings,
            &self.through,
        )?;
        self.fresh = OnceCell::new();
        self.ended.set(false);
        self.restarted = true;
        self.note("is started again");
        Ok(())
    }

    pub(super) fn note(&self, what: &str) {
        self.history.note(format!("{} {what}", self.name));
    }
}

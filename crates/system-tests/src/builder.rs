use std::time::Duration;

use testbed::{
    Folder, History, HttpClient, Recorder, RedisServer, RedisServerBuilder, Targets, TcpProxy,
    documented_acl,
};

use super::failover::Guard;
use super::service::{Launch, Settings, Through};
use super::{Kind, OpenMeteo, System};

/// How long a request may take, unless a test waits for the end of that time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a request is worked on: long enough to be hit by a fault, short enough for thousands.
const PROCESSING_TIME: &str = "20ms";

/// A system to start.
#[must_use]
pub struct SystemBuilder {
    ingresses: usize,
    proxies: usize,
    reply_streams: Vec<&'static str>,
    request_timeout: Duration,
    for_ingress: Settings,
    for_proxy: Settings,
    through: Through,
    redis: RedisServerBuilder,
    ledger: bool,
    line: bool,
    sentinels: bool,
}

impl Default for SystemBuilder {
    fn default() -> Self {
        Self {
            ingresses: 1,
            proxies: 1,
            reply_streams: vec!["shared"],
            request_timeout: REQUEST_TIMEOUT,
            for_ingress: Settings::new(),
            for_proxy: Settings::from([("PROCESSING_TIME".into(), PROCESSING_TIME.into())]),
            through: Through::default(),
            redis: RedisServer::builder(),
            ledger: true,
            line: false,
            sentinels: false,
        }
    }
}

impl SystemBuilder {
    /// How many ingresses; one unless set.
    pub fn ingresses(mut self, count: usize) -> Self {
        self.ingresses = count;
        self
    }

    /// How many proxies; one unless set.
    pub fn proxies(mut self, count: usize) -> Self {
        self.proxies = count;
        self
    }

    /// Where replies go, `shared` or `dedicated`, for the ingresses in turn; shared for all unless set.
    pub fn reply_streams(mut self, modes: &[&'static str]) -> Self {
        self.reply_streams = modes.to_vec();
        self
    }

    /// `REQUEST_TIMEOUT`, and the deadline by which the history expects each answer; 20 s unless set.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// A setting of every ingress.
    pub fn ingress(mut self, name: &str, value: &str) -> Self {
        self.for_ingress.insert(name.into(), value.into());
        self
    }

    /// A setting of every proxy.
    pub fn proxy(mut self, name: &str, value: &str) -> Self {
        self.for_proxy.insert(name.into(), value.into());
        self
    }

    /// Has the proxies ask this provider for the weather.
    pub fn provider(self, provider: &OpenMeteo) -> Self {
        self.proxy("WEATHER_PROVIDER", "open-meteo")
            .proxy("OPEN_METEO_GEOCODING_URL", &provider.url("search"))
            .proxy("OPEN_METEO_FORECAST_URL", &provider.url("forecast"))
    }

    /// Starts every process of this kind by a command that is given the program and runs it in its own place:
    /// `&["prlimit", "--nofile=64"]`.
    pub fn through<W: Into<String>>(
        mut self,
        kind: Kind,
        command: impl IntoIterator<Item = W>,
    ) -> Self {
        let command = command.into_iter().map(Into::into).collect();
        match kind {
            Kind::Ingress => self.through.ingress = command,
            Kind::Proxy => self.through.proxy = command,
        }
        self
    }

    /// The server to start. Unless it has users or a password of its own, the services have the least rights there that
    /// `docs/acl.md` gives them, and [`System::finish`] sees that they were denied nothing.
    pub fn redis(mut self, redis: RedisServerBuilder) -> Self {
        self.redis = redis;
        self
    }

    /// Has Redis keep no append-only file, so that it forgets everything when it ends. There is no ledger of the run
    /// then, and [`System::finish`] judges by what the callers saw alone.
    pub fn without_ledger(mut self) -> Self {
        self.ledger = false;
        self
    }

    /// Puts a line between Redis and all processes that the test can cut: [`System::line`].
    pub fn line(mut self) -> Self {
        self.line = true;
        self
    }

    /// Gives Redis a replica and three sentinels, by which all processes find the primary. They know it by the line
    /// that leads to it, which is there as well.
    pub fn sentinels(mut self) -> Self {
        self.sentinels = true;
        self.line()
    }

    /// Starts everything and waits until everything is ready.
    pub async fn start(self) -> anyhow::Result<System> {
        let system = self.launch().await?;
        system.until_ready().await?;
        Ok(system)
    }

    /// Starts the processes while there is no Redis where they look for it. `redis().start_again()` brings it.
    pub async fn start_without_redis(mut self) -> anyhow::Result<System> {
        let (ingresses, proxies) = (self.ingresses, self.proxies);
        (self.ingresses, self.proxies) = (0, 0);
        let mut system = self.launch().await?;
        system.redis.kill_hard().await?;
        system.spawn(ingresses, proxies)?;
        Ok(system)
    }

    async fn launch(self) -> anyhow::Result<System> {
        let folder = Folder::new("system")?;
        let for_redis = folder.subfolder("redis")?;
        let least_rights = self.redis.is_open();
        let redis = match least_rights {
            true => {
                let version = RedisServer::installed_version()?;
                self.redis.acl(documented_acl(version)?)
            }
            false => self.redis,
        };
        let writing_down = |redis: RedisServerBuilder| match self.ledger {
            true => redis.ledger(),
            false => redis,
        };
        let redis = redis.folder(for_redis.path());
        let redis = writing_down(redis).start().await?;
        let line = match self.line {
            true => Some(TcpProxy::start(redis.port()).await?),
            false => None,
        };
        let guard = match &line {
            Some(line) if self.sentinels => {
                let folder = folder.subfolder("replica")?;
                let replica = RedisServer::builder().folder(folder.path());
                Some(Guard::start(&redis, line, writing_down(replica)).await?)
            }
            _ => None,
        };
        let redis_url = match (&guard, &line) {
            (Some(guard), _) => guard.url(),
            (None, Some(line)) => format!("redis://127.0.0.1:{}", line.port()),
            (None, None) => redis.url(),
        };
        let history = History::new();
        let client = HttpClient::new()?;
        let (mut for_ingress, mut for_proxy) = (self.for_ingress, self.for_proxy);
        if least_rights {
            for (settings, user) in [(&mut for_ingress, "ingress"), (&mut for_proxy, "proxy")] {
                let password = format!("{}_PASSWORD", user.to_uppercase());
                settings.insert("REDIS_USERNAME".into(), user.into());
                settings.insert("REDIS_PASSWORD".into(), password);
            }
        }
        let timeout = format!("{}ms", self.request_timeout.as_millis());
        for_ingress.insert("REQUEST_TIMEOUT".into(), timeout);
        let launch = Launch {
            for_ingress,
            for_proxy,
            reply_streams: self.reply_streams,
            through: self.through,
            redis_url,
            folder: folder.path().to_path_buf(),
            client: client.clone(),
            history: history.clone(),
        };
        let mut system = System {
            ingresses: Vec::new(),
            proxies: Vec::new(),
            redis,
            guard,
            former: None,
            ledger: self.ledger,
            least_rights,
            line,
            recorder: Recorder::new(&history, self.request_timeout)?,
            history,
            targets: Targets::new::<String>([]),
            client,
            launch,
            measured: Vec::new(),
            folder: Some(folder),
            finished: false,
        };
        system.spawn(self.ingresses, self.proxies)?;
        Ok(system)
    }
}

impl System {
    /// Starts so many processes beside those there are, and does not wait for them.
    pub fn spawn(&mut self, ingresses: usize, proxies: usize) -> anyhow::Result<()> {
        for _ in 0..ingresses {
            let number = self.ingresses.len();
            self.ingresses
                .push(self.launch.service(Kind::Ingress, number, &[])?);
        }
        for _ in 0..proxies {
            let number = self.proxies.len();
            self.proxies
                .push(self.launch.service(Kind::Proxy, number, &[])?);
        }
        self.route_to(|_| true);
        Ok(())
    }
}

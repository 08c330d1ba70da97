use std::time::Duration;

use anyhow::{Context, ensure};

use super::RedisServer;
use super::builder::CONTROL_USER;
use crate::eventually::eventually;

/// What the sentinels call the primary.
const NAME: &str = "mymaster";
const COUNT: usize = 3;
/// So many must agree that the primary is gone.
const QUORUM: usize = 2;
/// Bound on what takes sentinels seconds: getting to know each other, a failover.
const PATIENCE: Duration = Duration::from_secs(60);

/// Three sentinels that watch over a primary, each a process of its own. They find its replicas by themselves; two
/// of them must agree that the primary is gone, a second after it stopped answering.
#[derive(Debug)]
pub struct Sentinels {
    each: Vec<RedisServer>,
    url: String,
}

/// Sentinels to start.
#[derive(Debug)]
#[must_use]
pub struct SentinelsBuilder<'a> {
    primary: &'a RedisServer,
    at: u16,
    password: Option<&'a str>,
}

impl Sentinels {
    /// Starts them, and waits until they know each other and the replicas that are there.
    pub async fn start(primary: &RedisServer) -> anyhow::Result<Self> {
        Self::builder(primary).start().await
    }

    /// Describes sentinels to start.
    pub fn builder(primary: &RedisServer) -> SentinelsBuilder<'_> {
        SentinelsBuilder {
            primary,
            at: primary.port(),
            password: None,
        }
    }

    /// The address as programs are given it, with the password of the servers if they have one.
    pub fn url(&self) -> String {
        let ports: Vec<_> = self.each.iter().map(RedisServer::port).collect();
        self.url_by(&ports)
    }

    /// The same with other ports in place of the sentinels' own.
    pub fn url_by(&self, ports: &[u16]) -> String {
        let hosts: Vec<_> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let (scheme, user) = self.url.split_once("://").unwrap_or(("redis", ""));
        format!("{scheme}+sentinel://{user}{}/{NAME}", hosts.join(","))
    }

    /// Each of them, to be killed, frozen and asked like any server.
    pub fn each(&self) -> &[RedisServer] {
        &self.each
    }

    /// Has the first of them make a replica the primary, without anybody's consent.
    pub async fn fail_over(&self) -> anyhow::Result<()> {
        self.each[0].command(&["SENTINEL", "FAILOVER", NAME]).await
    }

    /// Waits until every sentinel that lives names this server as the primary.
    pub async fn until_primary_is(&self, server: &RedisServer) -> anyhow::Result<()> {
        eventually(PATIENCE, async || {
            for sentinel in self.living() {
                let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
                let (_, port): (String, u16) = sentinel.command(&ask).await?;
                ensure!(port == server.port(), "a sentinel names port {port}");
            }
            let role = server.info("replication").await?.remove("role");
            ensure!(role.as_deref() == Some("master"), "its role is {role:?}");
            Ok(())
        })
        .await
    }

    fn living(&self) -> impl Iterator<Item = &RedisServer> {
        self.each
            .iter()
            .filter(|sentinel| sentinel.process().exit_status().is_none())
    }

    /// Waits until each knows so many replicas and all the others, so that they can agree on a failover.
    async fn until_acquainted(&self, replicas: usize) -> anyhow::Result<()> {
        for sentinel in &self.each {
            eventually(PATIENCE, async || {
                let fields: Vec<String> = sentinel.command(&["SENTINEL", "MASTER", NAME]).await?;
                let field = |name: &str| {
                    let at = fields.iter().position(|field| field == name);
                    at.and_then(|at| fields.get(at + 1))
                        .map_or("", String::as_str)
                };
                let knows = (
                    field("flags"),
                    field("num-slaves"),
                    field("num-other-sentinels"),
                );
                let expected = ("master", &*replicas.to_string(), &*(COUNT - 1).to_string());
                ensure!(knows == expected, "it knows {knows:?}");
                // It fails over to a replica that it has connected to.
                let replicas: Vec<Vec<String>> =
                    sentinel.command(&["SENTINEL", "REPLICAS", NAME]).await?;
                let well = |replica: &Vec<String>| replica.iter().any(|field| field == "ok");
                ensure!(
                    replicas.iter().all(well),
                    "it is not connected to all replicas"
                );
                Ok(())
            })
            .await
            .context("a sentinel did not get to know the others")?;
        }
        Ok(())
    }
}

impl<'a> SentinelsBuilder<'a> {
    /// Has them look for the primary on this port, where a proxy leads to it.
    pub fn by_way_of(mut self, port: u16) -> Self {
        self.at = port;
        self
    }

    /// Has them ask everybody for this password, each other as well.
    pub fn password(mut self, password: &'a str) -> Self {
        self.password = Some(password);
        self
    }

    /// Starts them, and waits until they know each other and the replicas that are there.
    pub async fn start(self) -> anyhow::Result<Sentinels> {
        let Self {
            primary, password, ..
        } = self;
        let of_primary = |setting: &str| format!("{NAME} {setting}");
        let watched = format!("127.0.0.1 {} {QUORUM}", self.at);
        let mut sentinel = RedisServer::builder()
            .sentinel()
            .config("sentinel monitor", &of_primary(&watched))
            .config("sentinel down-after-milliseconds", &of_primary("1000"))
            .config("sentinel failover-timeout", &of_primary("5000"));
        if let Some(password) = &primary.access.password {
            sentinel = sentinel.config("sentinel auth-pass", &of_primary(password));
        }
        if primary.access.acl.is_some() {
            let user = of_primary(CONTROL_USER);
            sentinel = sentinel.config("sentinel auth-user", &user);
            sentinel = sentinel.config("sentinel auth-pass", &user);
        }
        if let Some(password) = password {
            sentinel = sentinel
                .password(password)
                .config("sentinel sentinel-pass", password);
        }
        if let Some(tls) = &primary.access.tls {
            sentinel = sentinel.tls(tls.clone()).config("tls-replication", "yes");
            // What they show each other is the certificate of a server.
            sentinel = sentinel.config("tls-auth-clients", "no");
        }
        let mut each = Vec::new();
        for _ in 0..COUNT {
            each.push(sentinel.clone().start().await?);
        }
        let url = primary.url();
        let (user, _) = url.rsplit_once("127.0.0.1").unwrap_or((&url, ""));
        let sentinels = Sentinels {
            each,
            url: user.to_owned(),
        };
        let replicas = primary.info("replication").await?;
        let replicas = replicas.get("connected_slaves").context("a count")?;
        sentinels.until_acquainted(replicas.parse()?).await?;
        Ok(sentinels)
    }
}

//! Sentinels name the primary: found at the start, followed when another one is chosen.

use std::{sync::Arc, time::Duration};

use prometheus::Registry;
use streams::{
    Client, ClientConfig, Fault, NotReady, Options, RedisConfig, RequestError, StreamNames,
    WorkerConfig,
};
use testbed::{Certificates, Folder, RedisServer, Sentinels, TcpProxy};
use tokio::sync::Semaphore;

use crate::{
    log::Log,
    support::{PATIENCE, Runs, Serving, ask, becomes, metric, serve},
};

/// A primary, its replica, three sentinels, and a service that knows the sentinels alone.
struct Guarded {
    primary: RedisServer,
    replica: RedisServer,
    sentinels: Sentinels,
    client: Client,
    client_metrics: Registry,
    worker: Serving,
    runs: Runs,
    /// Work waits for one of these.
    go: Arc<Semaphore>,
    log: Log,
}

fn configs(redis: RedisConfig) -> (ClientConfig, WorkerConfig) {
    let names = StreamNames::for_service("test");
    let client = ClientConfig {
        redis: redis.clone(),
        ..ClientConfig::new("", names.clone())
    };
    let worker = WorkerConfig {
        redis,
        ..WorkerConfig::new("", names)
    };
    (client, worker)
}

impl Guarded {
    async fn start() -> Self {
        let primary = RedisServer::start().await.unwrap();
        let replica = RedisServer::builder().replica_of(&primary).start();
        let replica = replica.await.unwrap();
        let sentinels = Sentinels::start(&primary).await.unwrap();
        let config = RedisConfig::new(sentinels.url());
        Self::of(primary, replica, sentinels, config).await
    }

    async fn of(
        primary: RedisServer,
        replica: RedisServer,
        sentinels: Sentinels,
        redis: RedisConfig,
    ) -> Self {
        let log = Log::capture();
        let (mut client, worker) = configs(redis);
        let client_metrics = Registry::new();
        client.registry = Some(client_metrics.clone());
        let client = Client::connect(client).await.unwrap();
        let (runs, go) = (Runs::default(), Arc::new(Semaphore::new(1_000)));
        let (ran, may) = (runs.clone(), Arc::clone(&go));
        let worker = serve(worker, 5, move |request| {
            ran.ran(&request.body);
            let may = Arc::clone(&may);
            async move {
                may.acquire().await.unwrap().forget();
                Ok(request.body.to_vec())
            }
        })
        .await;
        client.ready().await;
        let guarded = Self {
            primary,
            replica,
            sentinels,
            client,
            client_metrics,
            worker,
            runs,
            go,
            log,
        };
        ask(&guarded.client, "before").await.unwrap();
        guarded.all_lead_to(&guarded.primary).await;
        guarded
    }

    async fn all_lead_to(&self, server: &RedisServer) {
        let run_id = Some(server.info("server").await.unwrap()["run_id"].clone());
        let run_ids = async || {
            let (client, worker) = (self.client.health(), self.worker.monitor.health());
            [client.server, worker.server].map(|server| server.map(|server| server.run_id))
        };
        becomes([run_id.clone(), run_id], run_ids).await;
    }

    /// Requests are answered by way of the replica, which is the primary now.
    async fn has_followed(&self) {
        self.sentinels
            .until_primary_is(&self.replica)
            .await
            .unwrap();
        becomes(true, async || {
            let options = Options::within(Duration::from_secs(2));
            self.client.request("after", options).await.is_ok()
        })
        .await;
        self.all_lead_to(&self.replica).await;
        let readiness = || (self.client.readiness(), self.worker.monitor.readiness());
        becomes((Ok(()), Ok(())), async || readiness()).await;
        let failovers = "redis_failovers_total";
        assert_eq!(metric(&self.client_metrics, failovers), 1.0);
        assert_eq!(self.worker.metric(failovers), 1.0);
        assert_eq!(
            self.log
                .lines(&["the sentinels name another primary"])
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn the_primary_is_killed() {
    let guarded = Guarded::start().await;
    guarded.primary.kill_hard().await.unwrap();
    guarded.has_followed().await;
    for _ in 0..20 {
        ask(&guarded.client, "x").await.unwrap();
    }
}

/// Nothing is lost when the old primary can hand everything on, not even for who waits.
#[tokio::test]
async fn a_failover_is_asked_for() {
    let guarded = Guarded::start().await;
    guarded.go.forget_permits(1_000);
    let waiting = tokio::spawn({
        let client = guarded.client.clone();
        async move { ask(&client, "waits").await }
    });
    becomes(1, async || guarded.runs.of("waits")).await;
    guarded.sentinels.fail_over().await.unwrap();
    guarded
        .sentinels
        .until_primary_is(&guarded.replica)
        .await
        .unwrap();
    guarded.go.add_permits(1_000);
    let reply = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert_eq!(&reply.unwrap().unwrap().body[..], b"waits");
    guarded.has_followed().await;
}

/// What the replica had not heard of when the primary died is gone: who waits for it is told so at the deadline, and
/// what had been done with is done once more.
#[tokio::test]
async fn what_only_the_old_primary_had_is_lost() {
    let primary = RedisServer::start().await.unwrap();
    let line = TcpProxy::start(primary.port()).await.unwrap();
    let replica = RedisServer::builder()
        .replica_of(&primary)
        .config("replicaof", &format!("127.0.0.1 {}", line.port()));
    let replica = replica.start().await.unwrap();
    let sentinels = Sentinels::start(&primary).await.unwrap();
    let config = RedisConfig::new(sentinels.url());
    let guarded = Guarded::of(primary, replica, sentinels, config).await;

    guarded.go.forget_permits(1_000);
    let client = &guarded.client;
    let (done, mut lost) = (ask(client, "done"), Box::pin(ask_for(client, "lost", 12)));
    let mut done = Box::pin(done);
    tokio::select! {
        biased;
        reply = &mut done => panic!("{reply:?}"),
        () = becomes(1, async || guarded.runs.of("done")) => {}
    }
    // The replica knows that it is being worked on, and hears no more.
    let pending = async || {
        let ask = ["XPENDING", "test-requests", "test-workers"];
        let summary: redis::Value = guarded.replica.command(&ask).await.unwrap();
        matches!(summary, redis::Value::Array(fields) if fields[0] == redis::Value::Int(1))
    };
    becomes(true, pending).await;
    line.cut().await.unwrap();
    guarded.go.add_permits(1);
    done.await.unwrap();
    tokio::select! {
        biased;
        reply = &mut lost => panic!("{reply:?}"),
        () = becomes(1, async || guarded.runs.of("lost")) => {}
    }
    guarded.primary.kill_hard().await.unwrap();
    guarded
        .sentinels
        .until_primary_is(&guarded.replica)
        .await
        .unwrap();
    becomes(2, async || guarded.runs.of("done")).await;
    guarded.go.add_permits(1_000);
    // The worker finished it, but nobody knows of the request any more; the reply still finds its caller.
    let outcome = lost.await;
    assert!(
        matches!(outcome, Ok(_) | Err(RequestError::TimedOut)),
        "{outcome:?}"
    );
    guarded.has_followed().await;
    let again = metric(&guarded.client_metrics, "replies_unmatched_total")
        + metric(&guarded.client_metrics, "replies_late_total");
    assert!(again >= 1.0, "the second reply to what was done already");
}

async fn ask_for(
    client: &Client,
    body: &str,
    seconds: u64,
) -> Result<streams::Reply, RequestError> {
    let options = Options::within(Duration::from_secs(seconds));
    client.request(body.to_owned(), options).await
}

/// The old primary does not hear of its replacement, and looks as well as ever to who is connected to it.
#[tokio::test]
async fn an_old_primary_is_left_while_it_can_be_reached() {
    let guarded = Guarded::start().await;
    let deaf = ["ACL", "SETUSER", "default", "-slaveof", "-replicaof"];
    guarded.primary.command::<()>(&deaf).await.unwrap();
    guarded.sentinels.fail_over().await.unwrap();
    guarded.has_followed().await;
    let role = guarded.primary.info("replication").await.unwrap()["role"].clone();
    assert_eq!(role, "master", "nobody told it");
    let list: String = guarded.primary.command(&["CLIENT", "LIST"]).await.unwrap();
    let ours = |list: &str| list.lines().filter(|line| line.contains(":fetch")).count();
    assert_eq!(ours(&list), 0);
}

#[tokio::test]
async fn one_sentinel_is_enough_to_begin() {
    let primary = RedisServer::start().await.unwrap();
    let sentinels = Sentinels::start(&primary).await.unwrap();
    sentinels.each()[0].kill_hard().await.unwrap();
    // This one accepts connections and says nothing.
    sentinels.each()[1].freeze().await.unwrap();
    let (client, _) = configs(RedisConfig::new(sentinels.url()));
    let client = Client::connect(client).await.unwrap();
    becomes(Ok(()), async || client.readiness()).await;
    assert_eq!(client.health().faults.len(), 0);
}

#[tokio::test]
async fn without_sentinels_the_known_primary_is_kept() {
    let guarded = Guarded::start().await;
    for sentinel in guarded.sentinels.each() {
        sentinel.kill_hard().await.unwrap();
    }
    let blind = async || guarded.client.health().faults.contains_key("sentinels");
    becomes(true, blind).await;
    becomes(true, async || {
        guarded
            .worker
            .monitor
            .health()
            .faults
            .contains_key("sentinels")
    })
    .await;
    assert!(
        !guarded
            .log
            .lines(&["WARN", "part=\"sentinels\"", "no sentinel names a primary"])
            .is_empty()
    );
    ask(&guarded.client, "x").await.unwrap();
    // Also by who has to connect again.
    let kill = ["CLIENT", "KILL", "TYPE", "normal"];
    guarded.primary.command::<()>(&kill).await.unwrap();
    ask(&guarded.client, "x").await.unwrap();
    let readiness = || {
        (
            guarded.client.readiness(),
            guarded.worker.monitor.readiness(),
        )
    };
    becomes((Ok(()), Ok(())), async || readiness()).await;
    // Who never knew one finds none.
    let (newcomer, _) = configs(RedisConfig::new(guarded.sentinels.url()));
    let newcomer = Client::connect(newcomer).await.unwrap();
    let none = Err(NotReady::Redis(Fault::NoPrimary));
    becomes(none, async || newcomer.readiness()).await;
    guarded.sentinels.each()[2].start_again().await.unwrap();
    becomes(Ok(()), async || newcomer.readiness()).await;
    becomes(false, blind).await;
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows() {
    let primary = RedisServer::start().await.unwrap();
    let sentinels = Sentinels::start(&primary).await.unwrap();
    let url = sentinels.url().replace("mymaster", "another");
    let (client, _) = configs(RedisConfig::new(url));
    let client = Client::connect(client).await.unwrap();
    let none = Err(NotReady::Redis(Fault::NoPrimary));
    becomes(none, async || client.readiness()).await;
    let faults = client.health().faults;
    assert!(
        faults["reader"].contains("knows no primary by the name another"),
        "{faults:?}"
    );
}

/// Each has a password of its own, all speak TLS, and nobody is trusted without.
#[tokio::test]
async fn passwords_and_certificates() {
    let folder = Folder::new("sentinel").unwrap();
    let certificates = Certificates::create(folder.path()).unwrap();
    let (tls, url_of) = match RedisServer::supports_tls().unwrap() {
        true => (
            Some(certificates.server_tls()),
            "rediss+sentinel://127.0.0.1:",
        ),
        false => (None, "redis+sentinel://127.0.0.1:"), // A few servers are built without.
    };
    let server = || {
        let server = RedisServer::builder()
            .password("for-data")
            .config("masterauth", "for-data");
        match &tls {
            // A replica shows its primary the certificate of a server.
            Some(tls) => server.tls(tls.clone()).config("tls-auth-clients", "no"),
            None => server,
        }
    };
    let primary = server().start().await.unwrap();
    let replica = server().replica_of(&primary).start().await.unwrap();
    let sentinels = Sentinels::builder(&primary).password("for-sentinels");
    let sentinels = sentinels.start().await.unwrap();
    let file = |name: &str, password: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("{password}\n")).unwrap();
        Some(path)
    };
    let url = sentinels.url().replace(":for-data@", "");
    assert!(url.starts_with(url_of), "{url}");
    let trusted = RedisConfig {
        password_file: file("data", "for-data"),
        sentinel_password_file: file("sentinels", "for-sentinels"),
        ca_file: tls.as_ref().map(|_| certificates.ca.clone()),
        ..RedisConfig::new(url)
    };
    let guarded = Guarded::of(primary, replica, sentinels, trusted.clone()).await;
    for (sentinel_password_file, password_file, fault, word) in [
        (
            None,
            trusted.password_file.clone(),
            Fault::NoPrimary,
            "Authentication required",
        ),
        (
            trusted.password_file.clone(),
            trusted.password_file.clone(),
            Fault::NoPrimary,
            "authentication failed",
        ),
        (
            trusted.sentinel_password_file.clone(),
            trusted.sentinel_password_file.clone(),
            Fault::NoAuth,
            "",
        ),
    ] {
        let (client, _) = configs(RedisConfig {
            sentinel_password_file,
            password_file,
            ..trusted.clone()
        });
        let client = Client::connect(client).await.unwrap();
        becomes(Err(NotReady::Redis(fault)), async || client.readiness()).await;
        let faults = client.health().faults;
        assert!(faults["reader"].contains(word), "{faults:?}");
    }
    guarded.sentinels.fail_over().await.unwrap();
    guarded.has_followed().await;
    assert_eq!(guarded.log.lines(&["for-data"]), [""; 0]);
    assert_eq!(guarded.log.lines(&["for-sentinels"]), [""; 0]);
}

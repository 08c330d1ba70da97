//! Another server becomes the primary. Everybody follows within seconds; what the old one had not passed on is lost,
//! and that is all that is lost.

use testbed::{Load, Outcome, RedisServer, RunningLoad, TcpProxy, eventually};

use crate::redis_restarts::{exposed, hold, served, survives};
use crate::system::{Allowed, Figures, LONG, Service, System};

/// How long the primary may be without its replica before it takes no writes, in seconds.
const LAG: &str = "2";

/// Callers who wait on the old side when it is given up.
const WAITING: usize = 5;

fn failover() -> Allowed {
    Allowed::redis_fault()
        .counters(&["redis_failovers_total"])
        .losses(&["the failover"])
}

/// Fault 23: the primary dies, the sentinels promote its replica.
#[tokio::test]
async fn the_primary_is_killed() -> anyhow::Result<()> {
    let mut system = exposed().sentinels().start().await?;
    survives(
        &mut system,
        "primary killed, replica promoted",
        async |system| {
            let killed = system.now();
            system.redis().kill_hard().await?;
            system
                .sentinels()
                .until_primary_is(system.replica())
                .await?;
            let promoted = system.now() - killed;
            system.note(&format!(
                "promoted {:.2} s after the kill",
                promoted.as_secs_f64()
            ));
            Ok(())
        },
    )
    .await?;
    for service in system.services() {
        followed(service).await?;
    }
    system.failed_over()?;
    system.finish(failover().min_success(0.2)).await?;
    Ok(())
}

/// Fault 23: somebody asks for a failover, and the old primary becomes a replica while requests come in.
#[tokio::test]
async fn a_failover_is_asked_for() -> anyhow::Result<()> {
    // The old primary forgets what it had written down, at a moment that nobody chooses.
    let mut system = exposed().without_ledger().sentinels().start().await?;
    survives(&mut system, "SENTINEL FAILOVER", async |system| {
        system.sentinels().fail_over().await?;
        system.sentinels().until_primary_is(system.replica()).await
    })
    .await?;
    for service in system.services() {
        followed(service).await?;
    }
    system.failed_over()?;
    system.finish(failover().min_success(0.5)).await?;
    Ok(())
}

/// Fault 24: the primary is cut off and knows nothing of its replacement, and neither do some of its callers. Both
/// sides serve; when all is whole again, what waits on the old side is lost.
#[tokio::test]
async fn split_brain() -> anyhow::Result<()> {
    let mut split = Split::start().await?;
    split.happens().await?;
    let Split { system, .. } = &mut split;
    // Callers of the old side are served by the old side.
    system.ask(1).await;
    system.proxy(1).kill().await?;
    let waiting = system.callers(1, WAITING);
    system.until_outstanding(WAITING as u64).await?;
    let (system, _ways) = split.ends("split brain").await?;
    waiting.join_all().await;
    // The old primary forgets what it had taken.
    eventually(LONG, async || {
        let role = system.replica().info("replication").await?.remove("role");
        anyhow::ensure!(role.as_deref() == Some("slave"), "its role is {role:?}");
        Ok(())
    })
    .await?;
    let Figures { summary, books } = system
        .finish_with_figures(failover().min_success(0.2))
        .await?;
    let books = books.expect("two ledgers");
    assert!(
        books.lost() >= WAITING && summary.timed_out >= WAITING,
        "{summary}; {books}"
    );
    // Who was written to both sides had an answer all the same.
    assert!(
        summary.timed_out + books.written_again >= books.lost(),
        "{summary}; {books}"
    );
    Ok(())
}

/// Fault 24 with `min-replicas-to-write`: the old side soon takes nothing more, and says so at once.
#[tokio::test]
async fn split_brain_with_min_replicas() -> anyhow::Result<()> {
    let mut split = Split::start().await?;
    for (name, value) in [
        ("min-replicas-max-lag", LAG),
        ("min-replicas-to-write", "1"),
    ] {
        let set = ["CONFIG", "SET", name, value];
        split.system.redis().command::<()>(&set).await?;
    }
    split.happens().await?;
    let old = split.system.ingress(1);
    old.process().wait_for_log("too few replicas", LONG).await?;
    old.until_unready().await?;
    for _ in 0..5 {
        let refused = split.system.ask(1).await;
        assert!(
            matches!(refused, Outcome::Answer { status: 503, .. }),
            "{refused:?}"
        );
    }
    let (system, _ways) = split.ends("split brain with min-replicas-to-write").await?;
    let Figures { books, .. } = system
        .finish_with_figures(failover().min_success(0.2))
        .await?;
    let books = books.expect("two ledgers");
    // What was on the stream at the moment when it took no more, and no request after that.
    assert!(books.lost() < books.enqueued / 4, "{books}");
    Ok(())
}

/// Two ingresses and two proxies; the second of each will not hear from the sentinels.
struct Split {
    system: System,
    /// The ways of those two to the sentinels.
    ways: Vec<TcpProxy>,
    load: RunningLoad,
}

impl Split {
    async fn start() -> anyhow::Result<Self> {
        let mut system = exposed()
            .ingresses(1)
            .proxies(1)
            .sentinels()
            .start()
            .await?;
        let mut ways = Vec::new();
        for sentinel in system.sentinels().each() {
            ways.push(TcpProxy::start(sentinel.port()).await?);
        }
        let ports: Vec<_> = ways.iter().map(TcpProxy::port).collect();
        let url = system.sentinels().url_by(&ports);
        system.add_ingress(&[("REDIS_URL", &url)]).await?;
        system.add_proxy(&[("REDIS_URL", &url)]).await?;
        let load = system.load(Load::Open { per_second: 60.0 });
        system.until_answered(60).await?;
        Ok(Self { system, ways, load })
    }

    /// Until the replica is the primary, and those who hear of it have followed.
    async fn happens(&mut self) -> anyhow::Result<()> {
        let system = &self.system;
        for way in &self.ways {
            way.cut().await?;
        }
        system.partition().await?;
        system
            .sentinels()
            .until_primary_is(system.replica())
            .await?;
        let promoted = system.now();
        followed(system.ingress(0)).await?;
        followed(system.proxy(0)).await?;
        let took = (system.now() - promoted).as_secs_f64();
        self.system.report(format!(
            "left the old primary {took:.2} s after the promotion"
        ));
        for blind in [self.system.ingress(1), self.system.proxy(1)] {
            assert_eq!(blind.figure("redis_failovers_total", &[]).await?, 0.0);
        }
        Ok(())
    }

    /// The sentinels can be heard again, then the old primary can be reached. Gives the ways back, which are in use.
    async fn ends(mut self, fault: &str) -> anyhow::Result<(System, Vec<TcpProxy>)> {
        for way in &self.ways {
            way.restore().await?;
        }
        for service in self
            .system
            .services()
            .filter(|service| !service.has_ended())
        {
            followed(service).await?;
        }
        self.system.failed_over()?;
        self.system.heal(self.system.replica());
        self.system.recovers(fault).await?;
        self.load.stop().await?;
        Ok((self.system, self.ways))
    }
}

async fn followed(service: &Service) -> anyhow::Result<()> {
    let failovers =
        service.until_figure("redis_failovers_total", &[], |failovers| failovers == 1.0);
    failovers.await.map(drop)
}

/// Fault 25: the name leads to a replica, from which replies could be read that are older than the question. It is
/// refused.
#[tokio::test]
async fn a_stale_replica_is_refused() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    let replica = RedisServer::builder().replica_of(system.redis());
    let replica = replica.start().await?;
    survives(&mut system, "the name led to a replica", async |system| {
        system.line().redirect(replica.port());
        system.line().reset().await?;
        hold(system).await?;
        for service in system.services() {
            let log = service.process();
            log.wait_for_log("the server is a replica", LONG).await?;
        }
        system.line().redirect(system.redis().port());
        system.line().reset().await
    })
    .await?;
    served(system, 0.2).await
}

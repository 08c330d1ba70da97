//! The way to Redis is bad rather than broken: slow, narrow, garbled, open one way only, leading elsewhere.

use std::time::{Duration, Instant};

use testbed::{Impairment, Load, RedisServer, Way};
use tokio::time::sleep;

use crate::redis_restarts::{exposed, hold, served, survives};
use crate::system::{Allowed, LONG, System};

const BOTH: [Way; 2] = [Way::There, Way::Back];

/// Fault 18: every connection breaks in the middle of what it carries, each time it has carried some kilobytes. Half a
/// command, half a reply, and nobody knows what was carried out.
#[tokio::test]
async fn connections_break_in_the_middle_of_a_command() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    survives(
        &mut system,
        "connections break in the middle of commands",
        async |system| {
            let before = system.line().arrivals().len();
            // Beyond what it takes to connect, and no multiple of what one request takes.
            system
                .line()
                .impair(Way::There, Impairment::none().reset_after(3_001));
            system
                .line()
                .impair(Way::Back, Impairment::none().reset_after(20_011));
            sleep(Duration::from_secs(3)).await;
            let broken = system.line().arrivals().len() - before;
            assert!(broken >= 10, "only {broken} connections broke");
            system.line().restore().await
        },
    )
    .await?;
    served(system, 0.9).await
}

/// Fault 19, one way: Redis gets every command and carries it out, and no answer comes back. What it had said is lost
/// when the connections end.
#[tokio::test]
async fn answers_of_redis_get_lost() -> anyhow::Result<()> {
    one_way(Way::Back, "nothing comes back from Redis").await
}

/// Fault 19, the other way: no command reaches Redis, though its connections look well.
#[tokio::test]
async fn commands_get_lost() -> anyhow::Result<()> {
    one_way(Way::There, "nothing reaches Redis").await
}

async fn one_way(way: Way, fault: &str) -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    survives(&mut system, fault, async |system| {
        system.line().impair(way, Impairment::none().hold());
        hold(system).await?;
        system.line().reset().await?;
        system.line().restore().await
    })
    .await?;
    served(system, 0.2).await
}

/// Fault 20: Redis is far away, and not always equally far. That costs callers some round trips and nothing else: no
/// refusal, no retry, no reconnect. Two are the way itself; up to two more go by as the request and its reply wait
/// for a read that is still on its way.
#[tokio::test]
async fn a_long_way_costs_time_and_nothing_else() -> anyhow::Result<()> {
    // A terminal is taken for as long as its round trips last, so it takes more of them for the same load.
    let mut system = exposed().line().proxy("TERMINALS", "30").start().await?;
    let base = median(&system).await;
    let (delay, jitter) = (Duration::from_millis(100), Duration::from_millis(50));
    for way in BOTH {
        system
            .line()
            .impair(way, Impairment::none().delay(delay, jitter));
    }
    let load = system.load(Load::Open { per_second: 30.0 });
    system.until_answered(60).await?;
    let far = median(&system).await;
    system.line().restore().await?;
    system.recovers("200 to 300 ms of latency").await?;
    load.stop().await?;
    system.report(format!(
        "200 to 300 ms more to Redis and back: the median went from {base:?} to {far:?}"
    ));
    assert!(far >= delay * 2, "{far:?} is less than the way itself");
    // The rest of the bound is for a busy machine.
    let most = base + 8 * (delay + jitter) + Duration::from_secs(1);
    assert!(far < most, "{far:?}, with {base:?} before");
    system
        .finish(Allowed::nothing().counters(&["requests_withdrawn_total"]))
        .await?;
    Ok(())
}

/// How long a caller waits, of nine one after the other the one in the middle.
async fn median(system: &System) -> Duration {
    let mut waits = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        system.ask(0).await;
        waits.push(start.elapsed());
    }
    waits.sort();
    waits[4]
}

/// Fault 21: ten kilobytes a second, byte by byte. Whatever is parsed is parsed in pieces, and every body is its own.
#[tokio::test]
async fn a_narrow_way_delivers_every_body_whole() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    let load = system.load(Load::Open { per_second: 5.0 });
    system.until_answered(8).await?;
    for way in BOTH {
        system
            .line()
            .impair(way, Impairment::none().bandwidth(10_000).slices(1));
    }
    system.until_answered(24).await?;
    system.line().restore().await?;
    system.recovers("10 kB/s, byte by byte").await?;
    load.stop().await?;
    served(system, 0.9).await
}

/// Fault 22: what comes from Redis, and what gets there, is garbage. Connections are given up and opened again; no
/// process falls over it, and no caller gets another's answer.
#[tokio::test]
async fn garbage_instead_of_replies() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    survives(&mut system, "garbage on the line", async |system| {
        // Every byte, then every other one. Fewer would at times hit a body and nothing that frames it, and who
        // garbles a body without breaking TCP's checksum cannot be told from who wrote it.
        for each in [1, 2] {
            for way in BOTH {
                let garbled = Impairment::none().corrupt_each(each);
                system.line().impair(way, garbled);
                sleep(Duration::from_millis(600)).await;
                system.line().restore().await?;
                sleep(Duration::from_millis(300)).await;
            }
        }
        Ok(())
    })
    .await?;
    served(system, 0.1).await
}

/// Fault 25: whoever reads replies comes out at a replica that has fallen behind, while requests go to the primary. It
/// is not believed: the reader takes no place there, and goes back as soon as it can.
#[tokio::test]
async fn replies_are_not_read_from_a_replica_that_fell_behind() -> anyhow::Result<()> {
    let mut system = exposed().line().start().await?;
    let replica = RedisServer::builder().replica_of(system.redis());
    let replica = replica.start().await?;
    // It follows nobody any more, and does not know better.
    let stale = ["REPLICAOF", "127.0.0.1", "1"];
    replica.command::<()>(&stale).await?;
    survives(
        &mut system,
        "replies read from a stale replica",
        async |system| {
            system.line().redirect(replica.port());
            for port in ports_of(system, ":reader").await? {
                system.line().reset_one(port);
            }
            hold(system).await?;
            for ingress in [system.ingress(0), system.ingress(1)] {
                let log = ingress.process();
                log.wait_for_log("is a replica", LONG).await?;
            }
            system.line().redirect(system.redis().port());
            Ok(())
        },
    )
    .await?;
    served(system, 0.3).await
}

/// The connections to Redis whose names hold this, by the ports from which they come.
async fn ports_of(system: &System, part: &str) -> anyhow::Result<Vec<u16>> {
    let list: String = system.redis().command(&["CLIENT", "LIST"]).await?;
    let ports = list.lines().filter(|line| line.contains(part));
    let ports = ports.filter_map(|line| {
        let address = line
            .split(' ')
            .find_map(|word| word.strip_prefix("addr="))?;
        address.rsplit_once(':')?.1.parse().ok()
    });
    let ports: Vec<u16> = ports.collect();
    anyhow::ensure!(!ports.is_empty(), "no {part} in {list}");
    Ok(ports)
}

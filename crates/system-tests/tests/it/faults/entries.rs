//! Others do things to entries that are under way: trim them, take them, give them to a second worker.

use std::time::Duration;

use redis::Value;
use testbed::{Leftovers, Outcome, eventually};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::callers::all_served;
use crate::redis_restarts::{exposed, survives, with_a_backlog};
use crate::system::{Allowed, DUPLICATES, GROUP, LONG, REDIS_FAULT, REQUESTS, RESPONSES, System};

/// Fault 29: the request stream is trimmed to nothing while requests wait on it and others are worked on. The latter
/// are answered all the same, the former are 504; nothing stays pending and nobody stumbles over what is not there.
#[tokio::test]
async fn trimmed_while_it_is_worked_on() -> anyhow::Result<()> {
    let mut system = exposed()
        .proxy("PROCESSING_TIME", "100ms")
        .proxy("TERMINALS", "10")
        .start()
        .await?;
    let trim = ["XTRIM", REQUESTS, "MAXLEN", "0"];
    survives(&mut system, "XTRIM of pending requests", async |system| {
        for _ in 0..3 {
            sleep(Duration::from_millis(300)).await;
            system.redis().command::<Value>(&trim).await?;
        }
        with_a_backlog(system, async || system.redis().command(&trim).await).await
    })
    .await?;
    let summary = system
        .finish(Allowed::redis_fault().losses(&["XTRIM"]).min_success(0.7))
        .await?;
    assert!(
        summary.timed_out > 0,
        "what was trimmed before anybody took it cannot have been answered: {summary}"
    );
    Ok(())
}

/// Fault 30: somebody takes requests and never does them. They can be seen to age, and are taken over like those of
/// any worker that died.
#[tokio::test]
async fn taken_by_somebody_who_never_answers() -> anyhow::Result<()> {
    let mut system = System::builder().proxy("LEASE", "2s").start().await?;
    system.proxy(0).freeze().await?;
    let waiting = system.callers(0, 7);
    system.until_outstanding(7).await?;
    let held = Leftovers::read(system.redis(), REQUESTS, GROUP).await?;
    let held = held.pending as f64;
    let take = ["XREADGROUP", "GROUP", GROUP, "thief", "COUNT", "7"];
    let take = [&take[..], &["STREAMS", REQUESTS, ">"]].concat();
    system.redis().command::<Value>(&take).await?;
    let taken = system.now();
    system.proxy(0).thaw()?;
    let ingress = system.ingress(0);
    ingress
        .until_figure("stream_oldest_entry_age_seconds", &[], |age| age >= 1.0)
        .await?;
    all_served(waiting).await;
    system
        .who_waited(
            "requests taken by somebody who never answers, LEASE=2s",
            taken,
        )
        .await?;
    let reclaimed = system
        .proxy(0)
        .figure("requests_reclaimed_total", &[])
        .await?;
    assert!(
        reclaimed >= 7.0 - held,
        "{reclaimed} were taken over, the proxy had {held} when it was stopped"
    );
    // The thief's consumer is deleted when it has been idle for a minute.
    let allowed = Allowed::nothing()
        .counters(DUPLICATES)
        .counters(&["redis_reconnects_total"])
        .consumers(1);
    system.finish(allowed).await?;
    Ok(())
}

/// Fault 39: a request that is being worked on is made to look abandoned, so that a second proxy does it as well. Its
/// caller gets one answer, and the second one is counted.
#[tokio::test]
async fn worked_on_by_two_at_the_same_time() -> anyhow::Result<()> {
    let mut system = System::builder()
        .proxies(2)
        .proxy("LEASE", "1s")
        .proxy("MAX_DELIVERIES", "100")
        .proxy("PROCESSING_TIME", "2s")
        .start()
        .await?;
    let (recorder, base) = (system.recorder(), system.ingress(0).base().to_owned());
    let caller: JoinHandle<Outcome> = tokio::spawn(async move { recorder.send(&base).await });
    eventually(LONG, async || {
        let left = Leftovers::read(system.redis(), REQUESTS, GROUP).await?;
        anyhow::ensure!(left.pending == 1, "nobody has it");
        Ok(())
    })
    .await?;
    let entry: Vec<(String, Value)> = system
        .redis()
        .command(&["XRANGE", REQUESTS, "-", "+"])
        .await?;
    let id = &*entry[0].0;
    // Whoever has it renews its lease in between; so it is done until the other one has it, too.
    eventually(LONG, async || {
        let claim = ["XCLAIM", REQUESTS, GROUP, "nobody", "0", id];
        let claim = [&claim[..], &["IDLE", "3600000", "JUSTID"]].concat();
        system.redis().command::<Value>(&claim).await?;
        let active = system.proxies_sum("terminals_active").await?;
        anyhow::ensure!(active == 2.0, "{active} are working on it");
        Ok(())
    })
    .await?;
    assert_eq!(caller.await?.status(), Some(200));
    eventually(LONG, async || {
        let twice = system.proxies_sum("requests_duplicate_total").await?;
        anyhow::ensure!(twice == 1.0, "done twice: {twice}");
        Ok(())
    })
    .await?;
    system.report("one request was done by two proxies, and answered once".into());
    let allowed = Allowed::nothing()
        .counters(DUPLICATES)
        .counters(&["replies_late_total"]);
    system.finish(allowed.consumers(1)).await?;
    Ok(())
}

/// Fault 41: an ingress stands still and loses its connection, and the reply to its caller is trimmed before it reads
/// it. That caller gets 504 in time, the next one its weather.
#[tokio::test]
async fn a_reply_is_trimmed_before_it_is_read() -> anyhow::Result<()> {
    let system = System::builder()
        .request_timeout(Duration::from_secs(5))
        .proxy("PROCESSING_TIME", "1s")
        .start()
        .await?;
    let (recorder, base) = (system.recorder(), system.ingress(0).base().to_owned());
    let caller: JoinHandle<Outcome> = tokio::spawn(async move { recorder.send(&base).await });
    system
        .proxy(0)
        .until_figure("terminals_active", &[], |active| active == 1.0)
        .await?;
    system.ingress(0).freeze().await?;
    // Redis would hand the reply to whoever waits for it.
    let readers = clients(&system, ":reader").await?;
    kill(&system, &readers).await?;
    eventually(LONG, async || {
        let replies: u64 = system.redis().command(&["XLEN", RESPONSES]).await?;
        anyhow::ensure!(replies == 1, "{replies} replies");
        Ok(())
    })
    .await?;
    let trim = ["XTRIM", RESPONSES, "MAXLEN", "0"];
    system.redis().command::<Value>(&trim).await?;
    system.ingress(0).thaw()?;
    assert_eq!(caller.await?.status(), Some(504));
    assert_eq!(system.ask(0).await.status(), Some(200));
    let allowed = Allowed::nothing().statuses([504]).counters(REDIS_FAULT);
    system.finish(allowed).await?;
    Ok(())
}

/// Fault 42: the connection that reads replies breaks again and again. The reader goes on from the last reply it saw,
/// so none is missed: every caller gets its weather.
#[tokio::test]
async fn no_reply_is_missed_while_the_reader_is_away() -> anyhow::Result<()> {
    let mut system = exposed().start().await?;
    survives(
        &mut system,
        "the readers' connections are killed",
        async |system| {
            for _ in 0..15 {
                kill(system, &clients(system, ":reader").await?).await?;
                sleep(Duration::from_millis(150)).await;
            }
            Ok(())
        },
    )
    .await?;
    let again = [("part", "reader")];
    for ingress in [system.ingress(0), system.ingress(1)] {
        let again = ingress.figure("redis_reconnects_total", &again).await?;
        assert!(again >= 5.0, "{again} times by {}", ingress.name());
    }
    system
        .finish(Allowed::nothing().counters(&["redis_reconnects_total"]))
        .await?;
    Ok(())
}

/// The ids of the connections whose names hold this.
async fn clients(system: &System, part: &str) -> anyhow::Result<Vec<String>> {
    let list: String = system.redis().command(&["CLIENT", "LIST"]).await?;
    let of_part = list.lines().filter(|line| line.contains(part));
    let ids = of_part.filter_map(|line| line.split(' ').next()?.strip_prefix("id="));
    Ok(ids.map(str::to_owned).collect())
}

async fn kill(system: &System, clients: &[String]) -> anyhow::Result<()> {
    for id in clients {
        // One that has gone by now is no error: the answer is the number of those killed.
        let kill = ["CLIENT", "KILL", "ID", id];
        system.redis().command::<Value>(&kill).await?;
    }
    Ok(())
}

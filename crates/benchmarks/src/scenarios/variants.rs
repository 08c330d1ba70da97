//! Ours in variants: many ingresses, processes and threads, with an append-only file, and growth in each direction.

use std::time::Duration;

use super::Bench;
use crate::load::Arrivals;
use crate::outcome::Outcome;
use crate::rounds::{Contender, Rounds, in_turn};
use crate::system::{Kind, Spec};

/// 1, 3 and 10 ingresses, 60 callers in all, and NATS with one and ten fronts.
pub(super) async fn ingresses(bench: &Bench) -> anyhow::Result<Outcome> {
    let mut contenders = Vec::new();
    for mode in ["shared", "dedicated"] {
        for fronts in [1, 3, 10] {
            let spec = Spec::new(Kind::Ours).front_setting("REPLY_STREAM", mode);
            let spec = bench.adjust(Spec { fronts, ..spec });
            let name = format!("{fronts}, {mode}");
            contenders.push(Contender::ours(name, Arrivals::Callers(60), spec));
        }
    }
    for fronts in [1, 10] {
        let spec = bench.adjust(Spec::new(Kind::Nats));
        contenders.push(Contender {
            name: format!("{fronts}, NATS"),
            promises: None,
            spec: Spec { fronts, ..spec },
            arrivals: Arrivals::Callers(60),
        });
    }
    let cases = in_turn(&contenders, bench.rounds(7, 4.0), &bench.tell).await?;
    let about = "ingresses with a shared reply stream and with one each, and fronts of NATS; 60 callers in all";
    let pairs = [
        ("3, shared", "1, shared"),
        ("10, shared", "1, shared"),
        ("3, dedicated", "1, dedicated"),
        ("10, dedicated", "1, dedicated"),
        ("3, dedicated", "3, shared"),
        ("10, dedicated", "10, shared"),
        ("10, NATS", "1, NATS"),
        ("10, dedicated", "10, NATS"),
    ];
    Outcome::of_pairs("ingresses", about, cases, &pairs)
}

/// Two threads for each service, in one process and in two.
pub(super) async fn cores(bench: &Bench) -> anyhow::Result<Outcome> {
    let contender = |name: &str, processes: usize, threads: usize| {
        let spec = Spec {
            fronts: processes,
            workers: processes,
            ..Spec::new(Kind::Ours)
        };
        // What the whole run was told about threads does not count here.
        let spec = spec.setting("WORKER_THREADS", &threads.to_string());
        Contender::ours(name.to_owned(), Arrivals::Callers(64), spec)
    };
    let (one, threads) = ("1 process, 1 thread", "1 process, 2 threads");
    let processes = "2 processes, 1 thread each";
    let contenders = [
        contender(one, 1, 1),
        contender(threads, 1, 2),
        contender(processes, 2, 1),
    ];
    let cases = in_turn(&contenders, bench.rounds(11, 4.0), &bench.tell).await?;
    let pairs = [(threads, one), (processes, one), (processes, threads)];
    let about = "of each service, ingress and proxy; 64 callers in all";
    Outcome::of_pairs("cores", about, cases, &pairs)
}

/// With and without an append-only file that is written to disk each second.
pub(super) async fn aof(bench: &Bench) -> anyhow::Result<Outcome> {
    let contenders = [("none", false), ("everysec", true)].map(|(name, aof)| {
        let spec = bench.adjust(Spec {
            aof,
            ..Spec::new(Kind::Ours)
        });
        Contender::ours(name.to_owned(), Arrivals::Callers(64), spec)
    });
    let cases = in_turn(&contenders, bench.rounds(11, 4.0), &bench.tell).await?;
    let about = "Redis's append-only file, written to disk each second; 64 callers".to_owned();
    Ok(Outcome::each_against_first("aof", about, cases))
}

/// 1 to 8 proxies of 8 terminals each.
pub(super) async fn proxies(bench: &Bench) -> anyhow::Result<Outcome> {
    let sizes = [1, 2, 4, 8].map(|proxies| (format!("{proxies} proxies"), proxies, 8));
    grown("proxies", "proxies of 8 terminals", sizes, bench).await
}

/// 1 to 64 terminals of one proxy.
pub(super) async fn terminals(bench: &Bench) -> anyhow::Result<Outcome> {
    let sizes = [1, 4, 16, 64].map(|terminals| (format!("{terminals} terminals"), 1, terminals));
    grown("terminals", "terminals of one proxy", sizes, bench).await
}

/// 1 to 10,000 callers, with the floor's memory for as many connections.
pub(super) async fn waiting(bench: &Bench) -> anyhow::Result<Outcome> {
    let roomy = |kind| {
        bench
            .adjust(Spec::new(kind))
            .front_setting("MAX_CONNECTIONS", "20000")
    };
    let case = |kind: Kind, callers: usize| Contender {
        name: format!("{} {callers}", kind.name()),
        promises: None,
        spec: roomy(kind),
        arrivals: Arrivals::Callers(callers),
    };
    let mut contenders: Vec<_> = [1, 10, 100, 1_000, 10_000]
        .map(|callers| case(Kind::Ours, callers))
        .into();
    contenders.extend([100, 10_000].map(|callers| case(Kind::Floor, callers)));
    // Ten thousand connections take a while to come.
    let rounds = Rounds {
        warmup: Duration::from_secs(3),
        ..bench.rounds(5, 8.0)
    };
    let cases = in_turn(&contenders, rounds, &bench.tell).await?;
    let pairs = [
        ("ours 1", "ours 100"),
        ("ours 10", "ours 100"),
        ("ours 1000", "ours 100"),
        ("ours 10000", "ours 100"),
        ("floor 10000", "floor 100"),
    ];
    let about = "callers who wait at the same time, each on a connection of its own";
    let outcome = Outcome::of_pairs("waiting", about, cases, &pairs)?;
    Ok(outcome.with_columns(&[super::PEAK]))
}

/// More and more terminals, all of them at work.
async fn grown(
    name: &'static str,
    about: &str,
    sizes: [(String, usize, usize); 4],
    bench: &Bench,
) -> anyhow::Result<Outcome> {
    /// Long beside what a request costs, so that few processors can keep all terminals at work.
    const WORK: &str = "20ms";
    let contenders = sizes.map(|(name, workers, terminals)| {
        let spec = Spec::new(Kind::Ours).terminals(terminals).work(WORK);
        let spec = bench.adjust(Spec { workers, ..spec });
        // Twice as many callers as terminals, so that something always waits.
        Contender::ours(name, Arrivals::Callers(2 * workers * terminals), spec)
    });
    let cases = in_turn(&contenders, bench.rounds(7, 4.0), &bench.tell).await?;
    let about = format!("{about}, {WORK} of work, twice as many callers as terminals");
    Ok(Outcome::each_against_first(name, about, cases))
}

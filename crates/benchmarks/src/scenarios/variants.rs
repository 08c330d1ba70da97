//! Ours in variants: many ingresses, processes and threads, with an append-only file, and growth in each direction.

use std::time::Duration;

use super::Bench;
use crate::load::Arrivals;
use crate::outcome::{Comparison, Outcome};
use crate::rounds::{Contender, Rounds, in_turn};
use crate::system::{Kind, Spec};

/// 1, 3 and 10 ingresses, 60 callers in all.
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
    let cases = in_turn(&contenders, bench.rounds(7, 4.0), &bench.tell).await?;
    let pairs = [(1, 0), (2, 0), (4, 3), (5, 3), (5, 2)];
    let comparisons = pairs.map(|(case, against)| Comparison::of(&cases[case], &cases[against]));
    let about =
        "ingresses with a shared reply stream and with one each; 60 callers in all".to_owned();
    Ok(Outcome::new("ingresses", about, cases, comparisons.into()))
}

/// Two cores for each service, as threads of one process and as processes of one thread.
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
    let contenders = [
        contender("1 process, 1 thread", 1, 1),
        contender("1 process, 2 threads", 1, 2),
        contender("2 processes, 1 thread each", 2, 1),
    ];
    let cases = in_turn(&contenders, bench.rounds(11, 4.0), &bench.tell).await?;
    let pairs = [(1, 0), (2, 0), (2, 1)];
    let comparisons = pairs.map(|(case, against)| Comparison::of(&cases[case], &cases[against]));
    let about = "of each service, ingress and proxy; 64 callers in all".to_owned();
    Ok(Outcome::new("cores", about, cases, comparisons.into()))
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

/// 1 to 8 proxies.
pub(super) async fn proxies(bench: &Bench) -> anyhow::Result<Outcome> {
    let contenders = [1, 2, 4, 8].map(|workers| {
        let spec = bench.adjust(Spec {
            workers,
            ..Spec::new(Kind::Ours)
        });
        Contender::ours(format!("{workers} proxies"), Arrivals::Callers(64), spec)
    });
    grown("proxies", "proxies; 64 callers", &contenders, bench).await
}

/// 1 to 64 terminals of one proxy.
pub(super) async fn terminals(bench: &Bench) -> anyhow::Result<Outcome> {
    let contenders = [1, 4, 16, 64].map(|terminals| {
        let spec = bench.adjust(Spec::new(Kind::Ours).terminals(terminals));
        Contender::ours(
            format!("{terminals} terminals"),
            Arrivals::Callers(64),
            spec,
        )
    });
    grown(
        "terminals",
        "terminals of one proxy; 64 callers",
        &contenders,
        bench,
    )
    .await
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
    let pairs = [(0, 2), (1, 2), (3, 2), (4, 2), (6, 5)];
    let comparisons = pairs.map(|(case, against)| Comparison::of(&cases[case], &cases[against]));
    let about = "callers who wait at the same time, each on a connection of its own".to_owned();
    Ok(Outcome::new("waiting", about, cases, comparisons.into()).with_columns(&[super::PEAK]))
}

async fn grown(
    name: &'static str,
    about: &str,
    contenders: &[Contender],
    bench: &Bench,
) -> anyhow::Result<Outcome> {
    let cases = in_turn(contenders, bench.rounds(7, 4.0), &bench.tell).await?;
    Ok(Outcome::each_against_first(name, about.to_owned(), cases))
}

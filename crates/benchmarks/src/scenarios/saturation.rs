//! All systems under the same load: as much as they can take, or little.

use super::Bench;
use crate::load::Arrivals;
use crate::outcome::Outcome;
use crate::rounds::{Contender, Rounds, in_turn};
use crate::system::{Kind, Spec};

/// So many callers, each of whom asks again when it was answered.
pub(super) async fn callers(
    name: &'static str,
    callers: usize,
    bench: &Bench,
) -> anyhow::Result<Outcome> {
    let about = match callers {
        1 => "one caller who asks again at once".to_owned(),
        many => format!("{many} callers who ask again at once"),
    };
    all(
        name,
        about,
        Arrivals::Callers(callers),
        bench.rounds(40, 1.25),
        bench,
    )
    .await
}

/// 500 requests per second over 16 connections, which is little.
pub(super) async fn rate(bench: &Bench) -> anyhow::Result<Outcome> {
    let about = "500 requests per second over 16 connections".to_owned();
    // Few requests come, so that each round has to last longer.
    all(
        "rate500",
        about,
        Arrivals::FEW,
        bench.rounds(20, 5.0),
        bench,
    )
    .await
}

async fn all(
    name: &'static str,
    about: String,
    arrivals: Arrivals,
    rounds: Rounds,
    bench: &Bench,
) -> anyhow::Result<Outcome> {
    let of = |kind| Contender::of(kind, arrivals, bench.adjust(Spec::new(kind)));
    let mut contenders: Vec<_> = Kind::ALL.map(of).into();
    if let Some(folder) = &bench.against {
        let spec = Spec {
            programs: Some(folder.clone()),
            ..bench.adjust(Spec::new(Kind::Ours))
        };
        let before = Contender::ours("before".to_owned(), arrivals, spec);
        // Ours stays the last, which the others are compared with.
        contenders.insert(contenders.len() - 1, before);
    }
    let cases = in_turn(&contenders, rounds, &bench.tell).await?;
    Ok(Outcome::last_against_each(name, about, cases))
}

//! Nothing to do: what each process spends while no request comes.

use std::time::Duration;

use anyhow::Context;
use testbed::RedisServer;
use tokio::time::{Instant, sleep};

use super::Bench;
use crate::figures::Figures;
use crate::outcome::{Case, Column, Outcome};
use crate::system::{Kind, Spec, Steps, System};

/// After the start, so that what belongs to it is over.
const SETTLES: Duration = Duration::from_secs(3);
/// 30 s in three parts, so that one sees how far they lie apart.
const LASTS: Duration = Duration::from_secs(10);
const PARTS: usize = 3;

const COLUMNS: [Column; 4] = [
    Column {
        name: "front",
        title: "front %",
    },
    Column {
        name: "broker",
        title: "broker %",
    },
    Column {
        name: "worker",
        title: "worker %",
    },
    Column {
        name: "commands",
        title: "commands/s",
    },
];

struct Look {
    at: Instant,
    spent: Steps,
    commands: f64,
}

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let mut systems = Vec::new();
    for kind in Kind::ALL {
        let system = System::start(&bench.adjust(Spec::new(kind))).await?;
        systems.push((kind, system));
    }
    sleep(SETTLES).await;
    let mut parts: Vec<Vec<Figures>> = systems.iter().map(|_| Vec::new()).collect();
    for _ in 0..PARTS {
        let mut before = Vec::new();
        for (_, system) in &systems {
            before.push(look(system).await?);
        }
        sleep(LASTS).await;
        for (((_, system), before), its_parts) in systems.iter().zip(before).zip(&mut parts) {
            let after = look(system).await?;
            its_parts.push(spent(&before, &after, system.memory()?));
        }
    }
    let cases = systems.iter().zip(parts);
    let cases = cases.map(|((kind, _), parts)| Case::new(kind.name().to_owned(), None, parts));
    let cases = cases.collect();
    let about = format!(
        "no request for {PARTS} times {} s; processor time in percent of a core, and commands that Redis got",
        LASTS.as_secs()
    );
    Ok(Outcome::new("idle", about, cases, Vec::new()).with_columns(&COLUMNS))
}

fn spent(before: &Look, after: &Look, memory: Steps) -> Figures {
    let seconds = (after.at - before.at).as_secs_f64();
    let share = after.spent.since(before.spent);
    let share = share.map(|spent| 100.0 * spent / seconds);
    // The look itself is one.
    let commands = (after.commands - before.commands - 1.0) / seconds;
    let more = [
        ("front", share.front),
        ("broker", share.broker),
        ("worker", share.worker),
        ("commands", commands),
    ];
    Figures {
        memory,
        more: more.into(),
        ..Figures::default()
    }
}

async fn look(system: &System) -> anyhow::Result<Look> {
    Ok(Look {
        commands: match system.redis() {
            Ok(redis) => commands(redis).await?,
            Err(_) => f64::NAN,
        },
        at: Instant::now(),
        spent: system.spent()?,
    })
}

async fn commands(redis: &RedisServer) -> anyhow::Result<f64> {
    let stats = redis.info("stats").await?;
    let commands = stats.get("total_commands_processed");
    let commands = commands.context("Redis does not say how many commands it had")?;
    Ok(commands.parse()?)
}

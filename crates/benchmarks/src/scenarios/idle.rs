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
const LASTS: Duration = Duration::from_secs(30);

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
    let mut before = Vec::new();
    for (_, system) in &systems {
        before.push(look(system).await?);
    }
    sleep(LASTS).await;
    let mut cases = Vec::new();
    for ((kind, system), before) in systems.iter().zip(before) {
        let after = look(system).await?;
        let seconds = (after.at - before.at).as_secs_f64();
        let share = after
            .spent
            .since(before.spent)
            .map(|spent| 100.0 * spent / seconds);
        let mut figures = Figures {
            memory: system.memory()?,
            ..Figures::default()
        };
        figures.more.insert("front", share.front);
        figures.more.insert("broker", share.broker);
        figures.more.insert("worker", share.worker);
        // The look itself is one.
        let commands = (after.commands - before.commands - 1.0) / seconds;
        figures.more.insert("commands", commands);
        cases.push(Case::new(kind.name().to_owned(), None, vec![figures]));
    }
    let about = format!(
        "no request for {} s; processor time in percent of a core, and commands that Redis got",
        LASTS.as_secs()
    );
    Ok(Outcome::new("idle", about, cases, Vec::new()).with_columns(&COLUMNS))
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

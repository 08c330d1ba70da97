//! Growth of what is carried: bodies of 100 bytes to 64 KiB.
//!
//! A question about the weather is small by rule, so this goes through the engine alone, which carries any bytes. The
//! load tester asks for the weather only; here callers send what they made up and look whether it came back.

use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use testbed::HttpClient;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Bench;
use crate::figures::Figures;
use crate::outcome::{Case, Outcome};
use crate::spread::{quantile, sorted};
use crate::system::{Kind, Spec, System};

const CALLERS: usize = 64;
const SIZES: [usize; 4] = [100, 1 << 10, 16 << 10, 64 << 10];
const PATIENCE: Duration = Duration::from_secs(30);
const WARMS_UP: Duration = Duration::from_millis(300);

pub(super) async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let system = System::start(&bench.adjust(Spec::new(Kind::Engine))).await?;
    let rounds = bench.rounds(7, 4.0);
    let mut looks = SIZES.map(|_| Vec::new());
    for _ in 0..rounds.count {
        for (size, looks) in SIZES.iter().zip(&mut looks) {
            looks.push(look(&system, *size, rounds.lasts).await?);
        }
    }
    let cases = SIZES.iter().zip(looks);
    let cases: Vec<_> = cases
        .map(|(size, looks)| Case::new(format!("{size} bytes"), None, looks))
        .collect();
    let about = format!("the engine alone, {CALLERS} callers, bodies there and back");
    Ok(Outcome::each_against_first("bodies", about, cases))
}

async fn look(system: &System, size: usize, lasts: Duration) -> anyhow::Result<Figures> {
    load(system, size, WARMS_UP).await?;
    let before = system.spent()?;
    let began = Instant::now();
    let latencies = sorted(load(system, size, lasts).await?.into_iter());
    let took = began.elapsed().as_secs_f64();
    let spent = system.spent()?.since(before);
    let requests = latencies.len() as f64;
    Ok(Figures {
        requests,
        cpu: spent.map(|seconds| seconds * 1e6 / requests),
        rate: requests / took,
        p50: quantile(&latencies, 0.5),
        p99: quantile(&latencies, 0.99),
        p999: quantile(&latencies, 0.999),
        memory: system.memory()?,
        ..Figures::default()
    })
}

/// How long each request took.
async fn load(system: &System, size: usize, lasts: Duration) -> anyhow::Result<Vec<f64>> {
    let target = system.targets()?.remove(0);
    let url = format!("{target}{}", crate::peer::PATH);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (done, latencies) = oneshot::channel();
    thread::Builder::new().name("load".into()).spawn(move || {
        // Whoever asked for it may have given up.
        let _ = done.send(runtime.block_on(callers(url, size, lasts)));
    })?;
    latencies.await.context("the generator panicked")?
}

async fn callers(url: String, size: usize, lasts: Duration) -> anyhow::Result<Vec<f64>> {
    let client = HttpClient::new()?;
    let end = Instant::now() + lasts;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, url) = (client.clone(), url.clone());
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let mut body = format!("{caller} {}", latencies.len()).into_bytes();
                body.resize(size, b'.');
                let asked = Instant::now();
                let answer = client.post(&url, &[], body.clone(), PATIENCE).await?;
                latencies.push(asked.elapsed().as_secs_f64());
                ensure!(answer.status == 200, "status {}", answer.status);
                ensure!(answer.body == body, "another body came back");
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(caller) = callers.join_next().await {
        latencies.extend(caller??);
    }
    Ok(latencies)
}

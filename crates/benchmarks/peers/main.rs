//! What `ingress` and `proxy` are compared with, and the engine alone: `peer nats front` serves HTTP, `peer nats
//! worker` answers. Each is one file; they are one program, since linking it takes longer than compiling it.

use benchmarks::peer::{self, Role};
use clap::{Parser, ValueEnum};

mod engine;
mod floor;
mod nats;
mod straightforward;

/// One of the systems of the benchmark; settings come from the environment.
#[derive(Parser)]
struct Arguments {
    peer: Peer,
    role: Role,
}

#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    Engine,
    Floor,
    Nats,
    Straightforward,
}

fn main() -> anyhow::Result<()> {
    let Arguments { peer, role } = Arguments::parse();
    peer::runtime()?.block_on(async {
        match peer {
            Peer::Engine => engine::run(role).await,
            Peer::Floor => floor::run().await,
            Peer::Nats => nats::run(role).await,
            Peer::Straightforward => straightforward::run(role).await,
        }
    })
}

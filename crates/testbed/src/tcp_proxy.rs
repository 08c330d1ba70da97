//! A TCP proxy whose line the test can cut, block and reset, to stand between a program and its Redis.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::ports::Port;

/// Bound on the proxy's own reaction to a change of its line.
const REACTION_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const CHUNK: usize = 16 << 10;

/// A proxy on a loopback port, in the runtime that started it. Dropping it closes all its connections.
#[derive(Debug)]
pub struct TcpProxy {
    port: Port,
    line: watch::Sender<Line>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

/// What the test wants.
#[derive(Clone, Copy, Debug)]
struct Line {
    mode: Mode,
    /// Where new connections lead.
    upstream: u16,
    /// Connections of an older epoch end: with a reset, or in order.
    epoch: u64,
    reset: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Forward,
    Blackhole,
    Cut,
}

/// What the proxy does.
#[derive(Clone, Copy, Debug)]
struct Status {
    listening: bool,
    /// No connection of an older epoch is left.
    epoch: u64,
    connections: usize,
}

impl TcpProxy {
    /// Starts a proxy that forwards to this port on 127.0.0.1.
    pub async fn start(upstream: u16) -> anyhow::Result<Self> {
        let port = Port::reserve()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let (line, orders) = watch::channel(Line {
            mode: Mode::Forward,
            upstream,
            epoch: 0,
            reset: false,
        });
        let (report, status) = watch::channel(Status {
            listening: false,
            epoch: 0,
            connections: 0,
        });
        let task = tokio::spawn(run(address, orders, report));
        let proxy = Self {
            port,
            line,
            status,
            task,
        };
        proxy.wait_for(|status| status.listening).await?;
        Ok(proxy)
    }

    /// The port to connect to, the same after every cut.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// How many connections it holds.
    pub fn connections(&self) -> usize {
        self.status.borrow().connections
    }

    /// Closes all connections and refuses new ones, until [`restore`](Self::restore).
    pub async fn cut(&self) -> anyhow::Result<()> {
        let epoch = self.change(Mode::Cut, Some(false));
        self.wait_for(|status| status.epoch >= epoch && !status.listening)
            .await
    }

    /// Leads new connections to this port on 127.0.0.1, as when a name is given to another server. Those
    /// there are stay as they are.
    pub fn redirect(&self, upstream: u16) {
        self.line.send_modify(|line| line.upstream = upstream);
    }

    /// Ends the connections it has accepted with a TCP reset; new ones are served as before.
    pub async fn reset(&self) -> anyhow::Result<()> {
        let mode = self.line.borrow().mode;
        let epoch = self.change(mode, Some(true));
        self.wait_for(|status| status.epoch >= epoch).await
    }

    /// Keeps connections and accepts new ones, but carries nothing until [`restore`](Self::restore), which then
    /// delivers what was held back.
    pub fn blackhole(&self) {
        self.change(Mode::Blackhole, None);
    }

    /// Carries everything again.
    pub async fn restore(&self) -> anyhow::Result<()> {
        self.change(Mode::Forward, None);
        self.wait_for(|status| status.listening).await
    }

    /// Sets the mode and the epoch, which it returns. `end` ends the connections there are: `true` with a reset.
    fn change(&self, mode: Mode, end: Option<bool>) -> u64 {
        self.line.send_modify(|line| {
            line.mode = mode;
            if let Some(reset) = end {
                line.epoch += 1;
                line.reset = reset;
            }
        });
        self.line.borrow().epoch
    }

    async fn wait_for(&self, reached: impl FnMut(&Status) -> bool) -> anyhow::Result<()> {
        let mut status = self.status.clone();
        let wait = timeout(REACTION_TIMEOUT, status.wait_for(reached)).await;
        wait.context("the proxy does not react")?
            .context("the proxy could not listen on its port")?;
        Ok(())
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens while the line is not cut. Ends, and so tells those who wait, if its port cannot be had again.
async fn run(
    address: SocketAddr,
    mut orders: watch::Receiver<Line>,
    report: watch::Sender<Status>,
) {
    let mut listener = None;
    let mut connections = JoinSet::new();
    let mut epoch = 0;
    loop {
        let line = *orders.borrow_and_update();
        if line.mode == Mode::Cut {
            listener = None;
        }
        if line.epoch != epoch {
            while connections.join_next().await.is_some() {}
            epoch = line.epoch;
        }
        if line.mode != Mode::Cut && listener.is_none() {
            let Ok(bound) = TcpListener::bind(address).await else {
                return;
            };
            listener = Some(bound);
        }
        report.send_replace(Status {
            listening: listener.is_some(),
            epoch,
            connections: connections.len(),
        });
        tokio::select! {
            client = accept(listener.as_ref()) => {
                connections.spawn(carry(client, epoch, orders.clone()));
            }
            Some(_) = connections.join_next() => {}
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((client, _)) => return client,
            // Out of descriptors, say: the next try should not follow at once.
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Carries one connection until either end closes it or the test ends it.
async fn carry(mut client: TcpStream, epoch: u64, mut orders: watch::Receiver<Line>) {
    let upstream = orders.borrow().upstream;
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else {
        return;
    };
    let (there, back) = (orders.clone(), orders.clone());
    let ended = {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let pumped = async {
            tokio::join!(
                pump(client_reads, server_writes, there),
                pump(server_reads, client_writes, back),
            )
        };
        tokio::select! {
            _ = pumped => None,
            ended = orders.wait_for(|line| line.epoch != epoch) => ended.ok().map(|line| *line),
        }
    };
    if ended.is_some_and(|line| line.reset) {
        // A socket that does not linger is closed with a reset.
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// Carries one direction to its end, and holds back what it has while the line is blocked.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut orders: watch::Receiver<Line>) {
    let mut bytes = vec![0; CHUNK];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let open = orders
            .wait_for(|line| line.mode == Mode::Forward)
            .await
            .is_ok();
        if !open || to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

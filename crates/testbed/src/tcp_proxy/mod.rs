//! A TCP proxy whose line the test can cut, hold, slow down, corrupt and reset, to stand between a program and its
//! Redis: for all connections or for one, both ways or one.

mod impairment;
mod line;
mod pump;
mod serve;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ports::Port;
use line::{Line, Ways};
use serve::{Status, serve};

pub use impairment::{Impairment, Way};

/// Bound on the proxy's own reaction to a change of its line.
const REACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy on a loopback port, in the runtime that started it. Dropping it closes all its connections.
#[derive(Debug)]
pub struct TcpProxy {
    port: Port,
    line: watch::Sender<Line>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
}

impl TcpProxy {
    /// Starts a proxy that forwards to this port on 127.0.0.1.
    pub async fn start(upstream: u16) -> anyhow::Result<Self> {
        let port = Port::reserve()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let (line, orders) = watch::channel(Line::to(upstream));
        let (report, status) = watch::channel(Status::default());
        let task = tokio::spawn(serve(address, orders, report));
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

    /// When each connection so far came, also those that ended since.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.status.borrow().arrivals.clone()
    }

    /// Closes all connections and refuses new ones, until [`restore`](Self::restore).
    pub async fn cut(&self) -> anyhow::Result<()> {
        self.line.send_modify(|line| line.cut = true);
        let epoch = self.end_all(false);
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
        let epoch = self.end_all(true);
        self.wait_for(|status| status.epoch >= epoch).await
    }

    /// Keeps connections and accepts new ones, but carries nothing until [`restore`](Self::restore), which then
    /// delivers what was held back.
    pub fn blackhole(&self) {
        self.impair(Way::There, Impairment::none().hold());
        self.impair(Way::Back, Impairment::none().hold());
    }

    /// Does this, from now on, to what goes this way over any connection, those to come included; the other way
    /// stays as it is.
    pub fn impair(&self, way: Way, impairment: Impairment) {
        self.line.send_modify(|line| line.all.set(way, impairment));
    }

    /// The same for one connection, whatever is done to all. It goes by the port from which the proxy connected, which
    /// is the one that the server behind sees, as in Redis's `CLIENT LIST`.
    pub fn impair_one(&self, port: u16, way: Way, impairment: Impairment) {
        self.single(port, |ways| ways.set(way, impairment));
    }

    /// Resets that one connection.
    pub fn reset_one(&self, port: u16) {
        self.single(port, |ways| ways.reset = true);
    }

    /// Carries everything again, as it is.
    pub async fn restore(&self) -> anyhow::Result<()> {
        self.line.send_modify(|line| {
            line.cut = false;
            line.all = Ways::default();
            line.single = Arc::default();
        });
        self.wait_for(|status| status.listening).await
    }

    fn single(&self, port: u16, change: impl FnOnce(&mut Ways)) {
        self.line.send_modify(|line| {
            let all = line.all;
            change(Arc::make_mut(&mut line.single).entry(port).or_insert(all));
        });
    }

    /// Ends all connections there are, and returns the epoch that begins with it.
    fn end_all(&self, reset: bool) -> u64 {
        self.line.send_modify(|line| {
            line.epoch += 1;
            line.reset = reset;
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

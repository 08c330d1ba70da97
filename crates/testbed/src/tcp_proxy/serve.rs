use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::impairment::Way;
use super::line::Line;
use super::pump::{End, pump};

const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What the proxy does.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) listening: bool,
    /// No connection of an older epoch is left.
    pub(super) epoch: u64,
    pub(super) connections: usize,
    /// When each connection came.
    pub(super) arrivals: Vec<Instant>,
}

/// Listens while the line is not cut. Ends, and so tells those who wait, if its port cannot be had again.
pub(super) async fn serve(
    address: SocketAddr,
    mut orders: watch::Receiver<Line>,
    report: watch::Sender<Status>,
) {
    let mut listener = None;
    let mut connections = JoinSet::new();
    let mut epoch = 0;
    loop {
        let line = orders.borrow_and_update().clone();
        if line.cut {
            listener = None;
        }
        if line.epoch != epoch {
            while connections.join_next().await.is_some() {}
            epoch = line.epoch;
        }
        if !line.cut && listener.is_none() {
            let Ok(bound) = TcpListener::bind(address).await else {
                return;
            };
            listener = Some(bound);
        }
        report.send_modify(|status| {
            status.listening = listener.is_some();
            status.epoch = epoch;
            status.connections = connections.len();
        });
        tokio::select! {
            client = accept(listener.as_ref()) => {
                report.send_modify(|status| status.arrivals.push(Instant::now()));
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

/// Carries one connection until either end closes it, the line breaks it or the test ends it.
async fn carry(mut client: TcpStream, epoch: u64, mut orders: watch::Receiver<Line>) {
    let upstream = orders.borrow().upstream;
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else {
        return;
    };
    let Ok(port) = server.local_addr().map(|address| address.port()) else {
        return;
    };
    // A slice is to be a packet. Where that cannot be had it is carried all the same.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let reset = {
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let there = pump(
            client_reads,
            server_writes,
            Way::There,
            port,
            orders.clone(),
        );
        let back = pump(server_reads, client_writes, Way::Back, port, orders.clone());
        let carried = both(there, back);
        tokio::select! {
            end = carried => end == End::Reset,
            ended = orders.wait_for(|line| line.ends(port, epoch).is_some()) => {
                ended.is_ok_and(|line| line.ends(port, epoch) == Some(true))
            }
        }
    };
    if reset {
        // A socket that does not linger is closed with a reset.
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// Waits for the end of both ways; a reset of one is that of the other.
async fn both(there: impl Future<Output = End>, back: impl Future<Output = End>) -> End {
    tokio::pin!(there, back);
    let (first, other_way) = tokio::select! {
        end = &mut there => (end, true),
        end = &mut back => (end, false),
    };
    match (first, other_way) {
        (End::Reset, _) => End::Reset,
        (End::Closed, true) => back.await,
        (End::Closed, false) => there.await,
    }
}

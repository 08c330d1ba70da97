//! The addresses a service answers on: one for everybody and, if asked for, one for probes and scrapes
//! alone, so that they get through when the first has as many connections as it may.

use std::{future::Future, io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::App;
use crate::server::{self, Drain, Drained, Limits};

/// Most connections of the admin address.
const ADMIN_CONNECTIONS: usize = 64;

/// Most connections that wait to be accepted; `net.core.somaxconn` bounds them as well. What comes beyond is dropped by
/// the kernel, and its caller tries again after a second: with the usual 128, whenever a few hundred come at once.
const BACKLOG: u32 = 4096;

/// Bound addresses that nobody serves yet.
#[derive(Debug)]
pub struct Endpoints {
    /// Where everybody is served.
    pub public: TcpListener,
    /// Where health and metrics are served as well.
    pub admin: Option<TcpListener>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: cannot listen on {address}: {source}")]
pub struct BindError {
    variable: &'static str,
    address: SocketAddr,
    source: io::Error,
}

impl Endpoints {
    /// Binds the addresses of `LISTEN` and `ADMIN_LISTEN`; port 0 is any free one. Needs a runtime around it.
    pub fn bind(listen: SocketAddr, admin_listen: Option<SocketAddr>) -> Result<Self, BindError> {
        let public = bind("LISTEN", listen)?;
        let admin = admin_listen.map(|address| bind("ADMIN_LISTEN", address));
        let admin = admin.transpose()?;
        Ok(Self { public, admin })
    }

    /// Serves `app` on the one and `admin` on the other until `shutdown` resolves and everybody who was
    /// in flight is answered. The admin address answers to the end of that, so that a drain can be watched.
    pub async fn serve(
        self,
        app: App,
        admin: App,
        limits: Limits,
        drain: Drain,
        shutdown: impl Future<Output = ()>,
    ) -> Drained {
        let (over, until_over) = oneshot::channel();
        let public = async {
            let drained = server::serve(self.public, app, limits, drain, shutdown).await;
            drop(over);
            drained
        };
        let admin = async {
            let Some(listener) = self.admin else { return };
            let limits = Limits {
                max_connections: ADMIN_CONNECTIONS,
                ..limits
            };
            let until_over = async {
                until_over.await.unwrap_or(());
            };
            server::serve(listener, admin, limits, Drain::AT_ONCE, until_over).await;
        };
        tokio::join!(public, admin).0
    }
}

fn bind(variable: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let failed = |source| BindError {
        variable,
        address,
        source,
    };
    let listener = listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(address = %bound, variable, "listening");
    Ok(listener)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart need not wait until the connections of the process before are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::try_join_all;
    use tokio::{net::TcpStream, time::timeout};

    use super::*;

    #[tokio::test]
    async fn hundreds_connect_at_once_before_anybody_is_accepted() {
        let endpoints = Endpoints::bind("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let address = endpoints.public.local_addr().unwrap();
        let callers = try_join_all((0..500).map(|_| TcpStream::connect(address)));
        // With a backlog too short the others would try for minutes.
        let connected = timeout(Duration::from_secs(20), callers).await;
        assert_eq!(connected.expect("all at once").unwrap().len(), 500);
    }
}

//! The addresses a service answers on: one for everybody and, if asked for, one for probes and scrapes
//! alone, so that they get through when the first has as many connections as it may.

use std::{future::Future, io, net::SocketAddr};

use tokio::{net::TcpListener, sync::oneshot};

use crate::App;
use crate::server::{self, Drain, Drained, Limits};

/// Most connections of the admin address.
const ADMIN_CONNECTIONS: usize = 64;

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
    /// Binds the addresses of `LISTEN` and `ADMIN_LISTEN`; port 0 is any free one.
    pub async fn bind(
        listen: SocketAddr,
        admin_listen: Option<SocketAddr>,
    ) -> Result<Self, BindError> {
        let public = bind("LISTEN", listen).await?;
        let admin = match admin_listen {
            Some(address) => Some(bind("ADMIN_LISTEN", address).await?),
            None => None,
        };
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

async fn bind(variable: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let failed = |source| BindError {
        variable,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tracing::info!(address = %bound, variable, "listening");
    Ok(listener)
}

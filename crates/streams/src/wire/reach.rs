//! The way to a server: its name resolved anew, TCP or a Unix socket, TLS.

use std::io;

use futures_util::future::select_ok;
use redis::ConnectionAddr;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::{
    WireError,
    exchange::{Stream, io_fault},
};
use crate::error::Fault;

/// Connects to this address, over TLS by `connector`.
pub(super) async fn reach(
    address: &ConnectionAddr,
    connector: Option<TlsConnector>,
) -> Result<Box<dyn Stream>, WireError> {
    let io_fault = |error| io_fault(&error);
    match (address, connector) {
        (ConnectionAddr::Tcp(host, port), _) => {
            Ok(Box::new(tcp(host, *port).await.map_err(io_fault)?))
        }
        (ConnectionAddr::TcpTls { host, port, .. }, Some(connector)) => {
            let name = ServerName::try_from(host.clone())
                .map_err(|_| WireError::new(Fault::Tls, format!("{host} is no name of a host")))?;
            let stream = tcp(host, *port).await.map_err(io_fault)?;
            let stream = connector.connect(name, stream).await.map_err(io_fault)?;
            Ok(Box::new(stream))
        }
        (ConnectionAddr::Unix(path), _) => {
            Ok(Box::new(UnixStream::connect(path).await.map_err(io_fault)?))
        }
        _ => Err(WireError::new(
            Fault::Other,
            "the address is of no known kind",
        )),
    }
}

/// To whichever address of the host answers first: one that is gone holds nobody up.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let attempts: Vec<_> = addresses
        .map(|address| Box::pin(TcpStream::connect(address)))
        .collect();
    if attempts.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the host has no address",
        ));
    }
    let (stream, _others) = select_ok(attempts).await?;
    // Whatever is written is a whole write.
    stream.set_nodelay(true)?;
    Ok(stream)
}

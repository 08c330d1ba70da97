//! Opening connections to the target, and keeping those that are free.
//!
//! A connection carries a fixed number of requests at a time: one with HTTP/1.1, many with HTTP/2. Each of these is a
//! [`Slot`]; a slot belongs to whoever took it and comes back when its reply was read to the end. A slot that is
//! dropped instead (time ran out, the reply was cut) ends an HTTP/1.1 connection and cancels an HTTP/2 stream.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::failure::{Failure, innermost};
use crate::options::Protocol;
use crate::target::Target;

/// Requests on one HTTP/2 connection at a time; most servers allow at least this many.
const STREAMS_PER_CONNECTION: usize = 100;

/// Connections to one target.
#[derive(Debug)]
pub(crate) struct Connections {
    target: Target,
    protocol: Protocol,
    tls: Option<Tls>,
    free: Mutex<Vec<Slot>>,
    /// Held while an HTTP/2 connection is opened: others wait for a slot of it instead of opening one each.
    opening: tokio::sync::Mutex<()>,
}

/// Room for one request on an open connection.
#[derive(Debug)]
pub(crate) enum Slot {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Why an encrypted target cannot be talked to at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate authorities, so no certificate could be trusted.
    #[error(
        "no trusted certificate authorities on this machine (SSL_CERT_FILE names a file of them)"
    )]
    NoAuthorities,
    /// The host is neither a name nor an address.
    #[error("the host cannot be named in a certificate: {0}")]
    Host(#[from] InvalidDnsNameError),
}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connections {
    /// No connection is made yet.
    pub(crate) fn new(target: Target, protocol: Protocol) -> Result<Self, TlsError> {
        let tls = if target.tls() {
            Some(Tls::new(target.host(), protocol)?)
        } else {
            None
        };
        Ok(Self {
            target,
            protocol,
            tls,
            free: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        })
    }

    /// A slot that was used before, if one is free and its connection still open.
    pub(crate) async fn reuse(&self) -> Option<Slot> {
        loop {
            // Not in the condition of a `while let`: the lock must not be held across the wait.
            let mut slot = self.free().pop()?;
            if slot.ready().await {
                return Some(slot);
            }
        }
    }

    /// A slot on a new connection, or one that somebody else's new connection had room for.
    pub(crate) async fn open(&self) -> Result<Slot, Failure> {
        match self.protocol {
            // Boxed: connecting is rare and its state is large, so that every request would carry it around.
            Protocol::Http1 => Box::pin(self.connect()).await,
            Protocol::Http2 => {
                let _opening = self.opening.lock().await;
                match self.reuse().await {
                    Some(slot) => Ok(slot),
                    None => Box::pin(self.connect()).await,
                }
            }
        }
    }

    /// Gives back a slot whose reply was read to the end.
    pub(crate) fn give_back(&self, slot: Slot) {
        self.free().push(slot);
    }

    async fn connect(&self) -> Result<Slot, Failure> {
        let failed = |error: &std::io::Error| Failure::Connect(innermost(error));
        let tcp = TcpStream::connect((self.target.host(), self.target.port()))
            .await
            .map_err(|error| failed(&error))?;
        tcp.set_nodelay(true).map_err(|error| failed(&error))?;
        match &self.tls {
            None => self.handshake(tcp).await,
            Some(Tls { connector, name }) => {
                let tls = connector
                    .connect(name.clone(), tcp)
                    .await
                    .map_err(|error| failed(&error))?;
                self.handshake(tls).await
            }
        }
    }

    async fn handshake<S>(&self, stream: S) -> Result<Slot, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: hyper::Error| Failure::Connect(innermost(&error));
        let io = TokioIo::new(stream);
        // A connection that breaks tells whoever has a request on it, so its own result says nothing new.
        match self.protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.map_err(failed)?;
                tokio::spawn(connection);
                Ok(Slot::Http1(sender))
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
                    .await
                    .map_err(failed)?;
                tokio::spawn(connection);
                self.free()
                    .extend((1..STREAMS_PER_CONNECTION).map(|_| Slot::Http2(sender.clone())));
                Ok(Slot::Http2(sender))
            }
        }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Slot>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Sends a request. The error holds the request if not a byte of it was written, so that it may be sent again.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await,
            Self::Http2(sender) => sender.try_send_request(request).await,
        }
    }

    /// Waits until a request can be sent; false if the connection was closed meanwhile.
    async fn ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

impl Tls {
    /// Trusts what the machine trusts.
    fn new(host: &str, protocol: Protocol) -> Result<Self, TlsError> {
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if authorities.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        let mut config = ClientConfig::builder()
            .with_root_certificates(authorities)
            .with_no_client_auth();
        config.alpn_protocols = match protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(host.to_owned())?,
        })
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

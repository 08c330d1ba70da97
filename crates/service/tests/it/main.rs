//! The service as its callers meet it: over sockets, byte by byte where they are ugly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod bodies;
mod drain;
mod exchanges;
mod http2;
mod limits;
mod settings;
mod wire;

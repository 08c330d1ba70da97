//! Free ports on loopback, each held for one user until it is given back.
//!
//! Asking the kernel for port 0 is not enough for a server that a test stops and starts again: while it is down,
//! its port could be given to another test, or to any outgoing connection, as a source port. A client that keeps
//! dialling a dead port of the ephemeral range can even connect to itself. So ports are drawn below that range,
//! and each is held by a UDP socket of the same number, which no TCP server minds: the kernel gives it to one
//! process at a time and takes it back when that process ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

use anyhow::Context;

const LOWEST: u16 = 10_000;
/// Where Linux starts its ephemeral range when nothing else was configured.
const USUAL_EPHEMERAL_START: u16 = 32_768;
const ATTEMPTS: usize = 1_000;

/// A TCP port on 127.0.0.1 that no other test has, until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _held: UdpSocket,
}

impl Port {
    /// Takes a port that nothing listens on.
    pub fn reserve() -> anyhow::Result<Self> {
        let range = range();
        (0..ATTEMPTS)
            .find_map(|_| Self::take(fastrand::u16(range.clone())))
            .with_context(|| format!("found no free port among {ATTEMPTS} drawn from {range:?}"))
    }

    /// Takes this one port; an error if anything has it.
    pub fn exact(number: u16) -> anyhow::Result<Self> {
        Self::take(number).with_context(|| format!("port {number} is in use"))
    }

    /// The number of the port.
    pub fn number(&self) -> u16 {
        self.number
    }

    fn take(number: u16) -> Option<Self> {
        let _held = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _held })
    }
}

/// The ports below the ephemeral range, or a usual range where the ephemeral one leaves too little room.
fn range() -> Range<u16> {
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .filter(|start| *start >= LOWEST + 10_000)
        .unwrap_or(USUAL_EPHEMERAL_START);
    LOWEST..start
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_reserved_port_can_be_listened_on_and_is_not_given_twice() {
        let ports: Vec<_> = (0..200).map(|_| Port::reserve().unwrap()).collect();
        let numbers: HashSet<_> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        for port in &ports {
            assert!(Port::exact(port.number()).is_err());
            TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        }
    }

    #[test]
    fn a_port_in_use_is_not_taken() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(Port::exact(listener.local_addr().unwrap().port()).is_err());
    }
}

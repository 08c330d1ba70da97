use std::collections::BTreeMap;
use std::sync::Arc;

use super::impairment::{Impairment, Way};

/// What the test wants.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// New connections are refused.
    pub(super) cut: bool,
    /// Where new connections lead.
    pub(super) upstream: u16,
    /// Connections of an older epoch end: with a reset, or in order.
    pub(super) epoch: u64,
    pub(super) reset: bool,
    pub(super) all: Ways,
    /// Connections with a line of their own, by the port that the server knows them by.
    pub(super) single: Arc<BTreeMap<u16, Ways>>,
}

/// Both ways of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ways {
    there: Impairment,
    back: Impairment,
    /// The connection is to be reset at once.
    pub(super) reset: bool,
}

impl Line {
    pub(super) fn to(upstream: u16) -> Self {
        Self {
            cut: false,
            upstream,
            epoch: 0,
            reset: false,
            all: Ways::default(),
            single: Arc::default(),
        }
    }

    /// What is wrong with the line, this way, for the connection that the server knows by this port.
    pub(super) fn of(&self, port: u16, way: Way) -> Impairment {
        self.single.get(&port).unwrap_or(&self.all).of(way)
    }

    /// Whether this connection, made in this epoch, is to be reset (`true`) or closed.
    pub(super) fn ends(&self, port: u16, epoch: u64) -> Option<bool> {
        if self.epoch != epoch {
            return Some(self.reset);
        }
        let single = self.single.get(&port)?;
        single.reset.then_some(true)
    }
}

impl Ways {
    pub(super) fn of(&self, way: Way) -> Impairment {
        match way {
            Way::There => self.there,
            Way::Back => self.back,
        }
    }

    pub(super) fn set(&mut self, way: Way, impairment: Impairment) {
        match way {
            Way::There => self.there = impairment,
            Way::Back => self.back = impairment,
        }
    }
}

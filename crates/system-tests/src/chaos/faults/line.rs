//! The way to Redis, which all processes share.

use std::ops::RangeInclusive;
use std::time::Duration;

use testbed::{Impairment, Way};

use crate::chaos::round::Field;

const DELAY: Duration = Duration::from_millis(100);
/// Bytes per second over each connection; a request takes some 500.
const BANDWIDTH: u32 = 20_000;
const PIECE: usize = 7;

/// What is done to the way to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Connections are closed and refused.
    Cut,
    /// Connections are reset, once.
    Reset,
    /// Nothing gets through, and nobody says so; what was held back arrives at the end.
    Blackhole,
    /// The same for one way only: commands arrive and nothing is heard of them, or the other way round.
    OneWay(Way),
    /// Everything arrives a tenth of a second later, or two.
    Slow,
    /// Each connection carries little, in small pieces.
    Drip,
}

impl LineFault {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Cut => "the way to Redis cut",
            Self::Reset => "the way to Redis reset",
            Self::Blackhole => "a black hole before Redis",
            Self::OneWay(Way::There) => "a black hole on the way to Redis",
            Self::OneWay(Way::Back) => "a black hole on the way from Redis",
            Self::Slow => "a slow way to Redis",
            Self::Drip => "a narrow way to Redis",
        }
    }

    pub(super) fn lasts_ms(&self) -> Option<RangeInclusive<u64>> {
        match self {
            Self::Reset => None,
            _ => Some(100..=2_500),
        }
    }

    pub(super) async fn begin(&self, field: &mut Field) -> anyhow::Result<()> {
        let line = field.system.line();
        let both = |impairment: Impairment| {
            line.impair(Way::There, impairment);
            line.impair(Way::Back, impairment);
        };
        match self {
            Self::Cut => line.cut().await?,
            Self::Reset => line.reset().await?,
            Self::Blackhole => line.blackhole(),
            Self::OneWay(way) => line.impair(*way, Impairment::none().hold()),
            Self::Slow => both(Impairment::none().delay(DELAY, DELAY)),
            Self::Drip => both(Impairment::none().bandwidth(BANDWIDTH).slices(PIECE)),
        }
        Ok(())
    }

    pub(super) async fn end(&self, field: &mut Field) -> anyhow::Result<()> {
        field.system.line().restore().await
    }
}

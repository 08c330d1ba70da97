//! Processes that go or stand still. One of them may have crashed by itself when its turn comes, of poison; then there
//! is nothing left to do to it.

use std::ops::RangeInclusive;

use crate::chaos::round::Field;
use crate::{Kind, Service};

/// What is done to which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessFault {
    /// What is done.
    pub harm: Harm,
    /// To an ingress or a proxy.
    pub which: Kind,
    /// Its number.
    pub number: usize,
}

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// SIGKILL, and started again.
    Kill,
    /// SIGSTOP and SIGCONT.
    Stop,
    /// SIGTERM, and started again.
    Leave,
}

impl ProcessFault {
    pub(super) fn kind(&self) -> &'static str {
        match (self.harm, self.which) {
            (Harm::Kill, Kind::Ingress) => "kill of an ingress",
            (Harm::Kill, Kind::Proxy) => "kill of a proxy",
            (Harm::Stop, Kind::Ingress) => "stop of an ingress",
            (Harm::Stop, Kind::Proxy) => "stop of a proxy",
            (Harm::Leave, Kind::Ingress) => "restart of an ingress",
            (Harm::Leave, Kind::Proxy) => "restart of a proxy",
        }
    }

    pub(super) fn lasts_ms(&self) -> RangeInclusive<u64> {
        match self.harm {
            Harm::Kill | Harm::Leave => 100..=2_000,
            // Longer than a lease at times, and never longer than callers are told to be patient.
            Harm::Stop => 100..=2_500,
        }
    }

    pub(super) async fn begin(&self, field: &mut Field) -> anyhow::Result<()> {
        let service = self.service(field);
        if service.process().exit_status().is_some() {
            return Ok(());
        }
        match self.harm {
            Harm::Kill => service.kill().await,
            Harm::Stop => service.freeze().await,
            Harm::Leave => service.tell_to_leave(),
        }
    }

    pub(super) async fn end(&self, field: &mut Field) -> anyhow::Result<()> {
        let service = self.service(field);
        if self.harm == Harm::Stop {
            return match service.process().exit_status() {
                None => service.thaw(),
                Some(_) => Ok(()),
            };
        }
        if !service.is_away() {
            return Ok(());
        }
        if !service.has_ended() {
            service.until_gone().await?;
        }
        service.start_again()?;
        service.until_live().await
    }

    fn service<'a>(&self, field: &'a mut Field) -> &'a mut Service {
        match self.which {
            Kind::Ingress => field.system.ingress_mut(self.number),
            Kind::Proxy => field.system.proxy_mut(self.number),
        }
    }
}

/// There is one more than at first, and it has the last number.
pub(super) async fn last_proxy_leaves(field: &mut Field) -> anyhow::Result<()> {
    let Some(last) = field.system.proxies().last() else {
        return Ok(());
    };
    if last.process().exit_status().is_none() {
        last.tell_to_leave()?;
    }
    // It may have crashed, and nobody starts it again.
    last.until_gone().await?;
    Ok(())
}

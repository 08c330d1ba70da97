//! Asking the sentinels where the primary is.
//!
//! All are asked at once, and the answer of the latest failover counts ([`known`]): the first one to answer may be
//! cut off from the others and name a primary that has been replaced. Once most of them have answered the rest is
//! not waited for any longer, so that a host that is gone with its sentinel holds nobody up. Each question is a
//! connection of its own, and all connections of a client or worker share its answers. While no sentinel answers,
//! the primary that was named last is still tried.

mod known;
mod url;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use redis::{ConnectionAddr, IntoConnectionInfo};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

pub(crate) use self::known::Primary;
use self::known::{Known, believe};
pub(super) use self::url::SentinelUrl;
use super::{
    WireError,
    answer::{array, text},
    fault::checked,
    login::Login,
    resp::{Commands, Value},
};
use crate::{config::RedisConfig, error::Fault, mutex::lock};

/// Answers this young are not asked for again: when a primary dies all connections ask at the same time.
const FRESH: Duration = Duration::from_millis(100);

/// How long the rest is waited for when most have answered.
const LINGER: Duration = Duration::from_millis(100);

/// The sentinels of one client or worker, and what they said.
#[derive(Debug)]
pub(super) struct Sentinels {
    pub url: SentinelUrl,
    config: Arc<RedisConfig>,
    /// When they were asked last, and whether any of them answered. Held while they are asked.
    asked: tokio::sync::Mutex<Option<(Instant, Result<(), WireError>)>>,
    known: Mutex<Option<Known>>,
}

impl Sentinels {
    pub(super) fn new(url: SentinelUrl, config: &Arc<RedisConfig>) -> Self {
        Self {
            url,
            config: Arc::clone(config),
            asked: tokio::sync::Mutex::new(None),
            known: Mutex::new(None),
        }
    }

    /// Asks them, unless they were asked a moment ago. An error means that nobody named a primary.
    pub(super) async fn ask(&self) -> Result<(), WireError> {
        let mut asked = self.asked.lock().await;
        if let Some((at, outcome)) = &*asked
            && at.elapsed() < FRESH
        {
            return outcome.clone();
        }
        let outcome = self.survey().await;
        *asked = Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// The primary as far as it is known.
    pub(super) fn primary(&self) -> Option<Primary> {
        lock(&self.known)
            .as_ref()
            .map(|known| known.primary.clone())
    }

    async fn survey(&self) -> Result<(), WireError> {
        let mut open = JoinSet::new();
        for sentinel in &self.url.sentinels {
            let (config, sentinel) = (Arc::clone(&self.config), sentinel.clone());
            let name = self.url.name.clone();
            open.spawn(async move {
                let named = ask(&config, &sentinel, &name).await;
                named.map_err(|error| format!("{sentinel}: {}", error.message))
            });
        }
        // The other half of the time is for the server that they name.
        let mut until = Instant::now() + self.config.connect_timeout / 2;
        let (mut named, mut failed) = (Vec::new(), Vec::new());
        loop {
            match timeout_at(until, open.join_next()).await {
                Ok(Some(Ok(Ok(primary)))) => named.push(primary),
                Ok(Some(Ok(Err(error)))) => failed.push(error),
                Ok(Some(Err(_cancelled))) => {}
                Ok(None) => break,
                Err(_elapsed) => {
                    failed.push(format!("{} did not answer in time", open.len()));
                    break;
                }
            }
            if named.len() * 2 > self.url.sentinels.len() {
                until = until.min(Instant::now() + LINGER);
            }
        }
        let mut known = lock(&self.known);
        let before = known.take();
        *known = believe(before, &named, self.url.sentinels.len(), Instant::now());
        if named.is_empty() {
            return Err(WireError::new(Fault::NoPrimary, failed.join("; ")));
        }
        Ok(())
    }
}

/// What one sentinel says.
async fn ask(
    config: &RedisConfig,
    sentinel: &ConnectionAddr,
    name: &str,
) -> Result<Primary, WireError> {
    let info = sentinel.clone().into_connection_info()?;
    let mut questions = Commands::new();
    for question in ["GET-MASTER-ADDR-BY-NAME", "MASTER"] {
        questions.cmd("SENTINEL").arg(question).arg(name);
    }
    let login = Login::at_sentinel(config);
    let (_, answers) = login.open(&info, questions, config.connect_timeout).await?;
    let mut answers = answers.into_iter();
    let address = checked(answers.next().unwrap_or_default())?;
    if address == Value::Nil {
        let unknown = format!("knows no primary by the name {name}");
        return Err(WireError::new(Fault::NoPrimary, unknown));
    }
    let unexpected = || WireError::unexpected("SENTINEL");
    let address = <[Value; 2]>::try_from(array(address)?).map_err(|_| unexpected())?;
    let [host, port] = address.map(text);
    Ok(Primary {
        host: host?,
        port: port?.parse().map_err(|_| unexpected())?,
        epoch: epoch(checked(answers.next().unwrap_or_default())?)?,
    })
}

fn epoch(primary: Value) -> Result<u64, WireError> {
    let mut fields = array(primary)?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if text(name)? == "config-epoch" {
            return text(value)?
                .parse()
                .map_err(|_| WireError::unexpected("SENTINEL MASTER"));
        }
    }
    Err(WireError::unexpected("SENTINEL MASTER"))
}

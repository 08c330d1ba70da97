//! The text of `/metrics`, which costs far more to make than to ask for. Whoever scrapes gets a text made for it;
//! whoever floods shares one with its like, so that it takes neither the time nor the memory of others.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use common::metrics;
use prometheus::Registry;

/// So many texts are made in a while; beyond them the last one is handed out again, which is no older than this.
const MOST: u32 = 20;
const WHILE: Duration = Duration::from_millis(100);

/// Makes the texts of one registry. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Scrapes {
    registry: Registry,
    latest: Arc<Mutex<Latest>>,
}

#[derive(Debug)]
struct Latest {
    /// When the present while began.
    since: Instant,
    /// How many texts were made in it.
    made: u32,
    text: Bytes,
}

impl Scrapes {
    pub(crate) fn new(registry: Registry) -> Self {
        let latest = Latest {
            since: Instant::now(),
            made: 0,
            text: Bytes::new(),
        };
        Self {
            registry,
            latest: Arc::new(Mutex::new(latest)),
        }
    }

    /// All metrics as they are, or as they were a moment ago.
    pub(crate) fn text(&self, now: Instant) -> Result<Bytes, prometheus::Error> {
        // A panic elsewhere leaves a whole text behind.
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(latest.since) >= WHILE {
            latest.since = now;
            latest.made = 0;
        }
        if latest.made < MOST {
            latest.text = metrics::encode(&self.registry)?.into();
            latest.made += 1;
        }
        Ok(latest.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use prometheus::IntCounter;

    use super::*;

    #[test]
    fn a_flood_shares_one_text_and_who_comes_later_gets_its_own() {
        let registry = Registry::new();
        let beats = IntCounter::new("beats_total", "Beats.").unwrap();
        registry.register(Box::new(beats.clone())).unwrap();
        let scrapes = Scrapes::new(registry);
        let now = Instant::now() + WHILE;
        let mut shared = Bytes::new();
        for beat in 1..=u64::from(MOST) {
            beats.inc();
            shared = scrapes.text(now).unwrap();
            assert!(shared.ends_with(format!("beats_total {beat}\n").as_bytes()));
        }
        for _ in 0..1000 {
            beats.inc();
            let text = scrapes.clone().text(now + WHILE / 2).unwrap();
            assert_eq!(text.as_ptr(), shared.as_ptr());
        }
        let later = scrapes.text(now + WHILE).unwrap();
        assert!(later.ends_with(b"beats_total 1020\n"), "{later:?}");
    }
}

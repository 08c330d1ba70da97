//! The text of `/metrics`, which costs far more to make than to ask for. Who asks gets a text begun later than the
//! question, and everybody who waits for one gets the same; between two texts there is a rest as long as the last one
//! took. So a flood of scrapes takes neither the memory of others nor more than half of their time, however slow the
//! machine is.

use std::sync::Arc;

use axum::body::Bytes;
use common::metrics;
use prometheus::Registry;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// Makes the texts of one registry. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Scrapes {
    registry: Registry,
    latest: Arc<Mutex<Option<Text>>>,
}

#[derive(Debug)]
struct Text {
    begun: Instant,
    /// Another one is begun no earlier.
    not_before: Instant,
    text: Bytes,
}

impl Scrapes {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            latest: Arc::default(),
        }
    }

    /// All metrics as they are now, or as they are a rest later.
    pub(crate) async fn text(&self) -> Result<Bytes, prometheus::Error> {
        let asked = Instant::now();
        let mut latest = self.latest.lock().await;
        if let Some(known) = &*latest {
            if known.begun >= asked {
                return Ok(known.text.clone());
            }
            sleep_until(known.not_before).await;
        }
        let begun = Instant::now();
        let text = Bytes::from(metrics::encode(&self.registry)?);
        *latest = Some(Text {
            begun,
            not_before: Instant::now() + begun.elapsed(),
            text: text.clone(),
        });
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use prometheus::core::{Collector, Desc};
    use prometheus::proto::MetricFamily;
    use tokio::task::JoinSet;

    use super::*;

    /// A metric that is made so slowly, and counts how often it was.
    #[derive(Clone)]
    struct Slow(Arc<AtomicU32>);

    const TAKES: Duration = Duration::from_millis(5);

    impl Collector for Slow {
        fn desc(&self) -> Vec<&Desc> {
            Vec::new()
        }

        fn collect(&self) -> Vec<MetricFamily> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(TAKES);
            Vec::new()
        }
    }

    fn scrapes() -> (Scrapes, Arc<AtomicU32>) {
        let (registry, made) = (Registry::new(), Arc::default());
        registry
            .register(Box::new(Slow(Arc::clone(&made))))
            .unwrap();
        (Scrapes::new(registry), made)
    }

    #[tokio::test]
    async fn who_waits_shares_and_who_comes_later_gets_its_own() {
        let (scrapes, made) = scrapes();
        for round in 1..=3 {
            let mut flood = JoinSet::new();
            for _ in 0..1_000 {
                let scrapes = scrapes.clone();
                flood.spawn(async move { scrapes.text().await.map(|text| text.as_ptr() as usize) });
            }
            flood.join_all().await;
            // The first to ask makes one, and all who asked while it did share the next.
            let made = made.load(Ordering::Relaxed);
            assert!((round..=2 * round).contains(&made), "{made} in {round}");
        }
    }

    #[tokio::test]
    async fn texts_take_no_more_than_half_of_the_time() {
        let (scrapes, made) = scrapes();
        let start = Instant::now();
        for _ in 0..10 {
            scrapes.text().await.unwrap();
        }
        assert_eq!(made.load(Ordering::Relaxed), 10, "each had its own");
        assert!(start.elapsed() >= TAKES * 19, "{:?}", start.elapsed());
    }
}

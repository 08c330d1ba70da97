//! Callers leave while Redis takes nothing new: their entries go, and that says nothing of new requests.

use std::time::Duration;

use streams::{Client, Fault, NotReady, Options, Refusal, RequestError};
use tokio::{task::JoinHandle, time::sleep};

use crate::support::{PATIENCE, Service, becomes};

/// A client without a worker, one of whose requests lies on the stream, and a Redis that is out of memory since.
struct Crowded {
    service: Service,
    client: Client,
    waiting: JoinHandle<()>,
}

impl Crowded {
    async fn start() -> Self {
        let service = Service::start().await;
        service.make_group().await;
        let client = service.client().await;
        client.ready().await;
        let asking = client.clone();
        let waiting = tokio::spawn(async move {
            let _ = asking.request("x", Options::within(PATIENCE)).await;
        });
        becomes(1, async || service.length().await).await;
        service.run_out_of_memory().await;
        Self {
            service,
            client,
            waiting,
        }
    }

    /// One more request, which Redis refuses.
    async fn refused(&self) {
        let asked = self.client.request("x", Options::within(PATIENCE)).await;
        let error = asked.unwrap_err();
        assert!(
            matches!(
                error,
                RequestError::Unavailable {
                    reason: Fault::OutOfMemory,
                    ..
                }
            ),
            "{error}"
        );
    }

    async fn the_caller_leaves(&self) {
        self.waiting.abort();
        becomes(0, async || self.service.length().await).await;
    }
}

#[tokio::test]
async fn a_withdrawal_does_not_make_ready_what_takes_no_requests() {
    let crowded = Crowded::start().await;
    crowded.refused().await;
    let not_ready = Err(NotReady::Redis(Fault::OutOfMemory));
    assert_eq!(crowded.client.readiness(), not_ready);
    crowded.the_caller_leaves().await;
    // The answer to the withdrawal is on its way.
    sleep(Duration::from_millis(200)).await;
    assert_eq!(crowded.client.readiness(), not_ready);
    crowded.service.have_memory_again().await;
    becomes(Ok(()), async || crowded.client.readiness()).await;
}

#[tokio::test]
async fn a_withdrawal_does_not_close_the_circuit() {
    let crowded = Crowded::start().await;
    becomes(Err(NotReady::CircuitOpen), async || {
        let _ = crowded.client.request("x", Options::within(PATIENCE)).await;
        crowded.client.readiness()
    })
    .await;
    crowded.the_caller_leaves().await;
    sleep(Duration::from_millis(200)).await;
    let asked = crowded.client.request("x", Options::within(PATIENCE)).await;
    let error = asked.unwrap_err();
    let reason = Refusal::CircuitOpen;
    assert!(
        matches!(error, RequestError::Refused { reason: seen, .. } if seen == reason),
        "{error}"
    );
    crowded.service.have_memory_again().await;
    becomes(Ok(()), async || crowded.client.readiness()).await;
}

//! A way in that was refused for a reason that lasts, such as a wrong password or a certificate that nobody trusts, is
//! tried once in [`PAUSE`] by all connections of a client or worker together. Each try costs the server a handshake
//! and an entry in its log, and mends nothing.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::WireError;
use crate::mutex::lock;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What the last try met, shared by all that connect.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(Arc<Mutex<Option<Try>>>);

#[derive(Debug)]
struct Try {
    at: Instant,
    error: WireError,
}

impl Refused {
    /// Whether it is this caller's turn to try; else what the last one met.
    pub(super) fn turn(&self) -> Result<(), WireError> {
        match &mut *lock(&self.0) {
            Some(last) if last.at.elapsed() < PAUSE => Err(last.error.clone()),
            Some(last) => {
                // Whoever comes next waits for what this caller finds.
                last.at = Instant::now();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Notes how a try ended. The pause counts from its end, so that a slow refusal is no more frequent.
    pub(super) fn tried<T>(&self, outcome: &Result<T, WireError>) {
        *lock(&self.0) = match outcome {
            Err(error) if error.fault.lasts() => Some(Try {
                at: Instant::now(),
                error: error.clone(),
            }),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_tried_once_a_second_and_anything_else_at_once() {
        let refused = Refused::default();
        let other = refused.clone();
        assert_eq!(refused.turn(), Ok(()));
        let expired = WireError::new(Fault::Tls, "expired");
        refused.tried::<()>(&Err(expired.clone()));
        assert_eq!(other.turn(), Err(expired.clone()));
        tokio::time::advance(PAUSE).await;
        assert_eq!(other.turn(), Ok(()));
        assert_eq!(refused.turn(), Err(expired), "it is another's turn");
        other.tried::<()>(&Err(WireError::new(Fault::Disconnected, "gone")));
        assert_eq!((refused.turn(), other.turn()), (Ok(()), Ok(())));
    }
}

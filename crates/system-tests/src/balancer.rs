use std::time::Duration;

use testbed::{HttpClient, Targets};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Between two questions whether an ingress is ready.
const PERIOD: Duration = Duration::from_millis(50);

/// How long an ingress may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends callers to the ingresses that are ready and to no others. Ends when it is dropped.
pub struct Balancer(JoinHandle<()>);

impl Balancer {
    pub(super) fn start(ingresses: Vec<String>, client: HttpClient, targets: Targets) -> Self {
        Self(tokio::spawn(async move {
            loop {
                let mut ready = Vec::new();
                for base in &ingresses {
                    let answer = client.get(&format!("{base}/health/ready"), PATIENCE).await;
                    if answer.is_ok_and(|answer| answer.status == 200) {
                        ready.push(base.clone());
                    }
                }
                targets.set(ready);
                sleep(PERIOD).await;
            }
        }))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

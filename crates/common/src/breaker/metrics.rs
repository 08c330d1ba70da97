//! What a breaker shows on `/metrics`.

use prometheus::{Error, Opts, Registry};

use super::{CircuitBreaker, State};
use crate::metrics::{register_counter, register_gauge};

impl CircuitBreaker {
    /// Registers `circuit_breaker_state` and `circuit_breaker_transitions_total` for this breaker, told apart from
    /// those of others by its name. Refused where a breaker of the same name is registered already.
    pub fn register_metrics(&self, registry: &Registry) -> Result<(), Error> {
        let breaker = self.clone();
        let state = Opts::new(
            "circuit_breaker_state",
            "State of a circuit breaker: 0 closed, 1 half-open, 2 open.",
        );
        register_gauge(
            registry,
            state.const_label("name", self.name()),
            move || f64::from(breaker.state() as u8),
        )?;
        for to in State::ALL {
            let breaker = self.clone();
            let transitions = Opts::new(
                "circuit_breaker_transitions_total",
                "Changes of state of a circuit breaker, by the state that it changed to.",
            )
            .const_label("name", self.name())
            .const_label("to", to.as_str());
            register_counter(registry, transitions, move || {
                breaker.transitions(to) as f64
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::breaker::{BreakerConfig, CircuitBreaker};
    use crate::metrics::encode;
    use prometheus::Registry;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn two_breakers_share_the_families_and_show_their_states() {
        let registry = Registry::new();
        let breaker = |name| {
            let breaker = CircuitBreaker::new(name, BreakerConfig::default()).unwrap();
            breaker.register_metrics(&registry).unwrap();
            breaker
        };
        let (redis, _provider) = (breaker("redis"), breaker("provider"));
        let shown = || {
            let text = encode(&registry).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines
                .filter(|line| !line.ends_with(" 0"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(), [""; 0]);

        (0..5).for_each(|_| redis.acquire().unwrap().failure());
        assert_eq!(
            shown(),
            [
                r#"circuit_breaker_state{name="redis"} 2"#,
                r#"circuit_breaker_transitions_total{name="redis",to="open"} 1"#,
            ]
        );
        advance(redis.acquire().unwrap_err().retry_after).await;
        assert_eq!(
            shown(),
            [
                r#"circuit_breaker_state{name="redis"} 1"#,
                r#"circuit_breaker_transitions_total{name="redis",to="half-open"} 1"#,
                r#"circuit_breaker_transitions_total{name="redis",to="open"} 1"#,
            ]
        );
        assert!(redis.register_metrics(&registry).is_err());
    }
}

//! What a terminal does with one request: reads it, asks the provider, writes the reply.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{
    message::{FailureCode, RequestDefect, WeatherReply, WeatherRequest},
    telemetry::{LogThrottle, error_text},
    trace::{SpanBuilder, SpanKind, TraceContext, Tracer},
};
use streams::{Failure, Request};

use crate::{
    metrics::Metrics,
    providers::{Provider, ProviderError},
    terminals::Terminals,
};

/// While a provider is down, every request fails in the same way; so often is that worth a line.
const SAME_FAILURE_LOGGED_EVERY: Duration = Duration::from_secs(1);

/// Room for the JSON of nearly every reply, in bytes.
const USUAL_REPLY: usize = 256;

/// Serves requests; the engine calls it for one request per terminal at a time.
#[derive(Debug)]
pub(crate) struct Handler {
    provider: Provider,
    terminals: Terminals,
    metrics: Metrics,
    tracer: Tracer,
    /// By cause.
    log: Mutex<LogThrottle<&'static str>>,
}

/// Why a request is answered with a failure.
#[derive(Debug, thiserror::Error)]
enum HandlerError {
    #[error(transparent)]
    Request(#[from] RequestDefect),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the reply could not be written: {0}")]
    Reply(#[from] serde_json::Error),
}

impl Handler {
    pub(crate) fn new(
        provider: Provider,
        terminals: Terminals,
        metrics: Metrics,
        tracer: Tracer,
    ) -> Self {
        let log = Mutex::new(LogThrottle::new(SAME_FAILURE_LOGGED_EVERY));
        Self {
            provider: provider.traced(tracer.clone()),
            terminals,
            metrics,
            tracer,
            log,
        }
    }

    /// The reply's JSON, or the failure that the caller gets in its place.
    pub(crate) async fn handle(&self, request: Request) -> Result<Bytes, Failure> {
        let terminal = self.terminals.occupy(request.id);
        let trace = request.traceparent.as_deref().and_then(TraceContext::parse);
        match self.reply(&request, trace).await {
            Ok(body) => {
                terminal.served();
                Ok(body)
            }
            Err(error) => {
                self.log(&request, trace, &error);
                Err(Failure::new(error.code().as_str(), error.to_string()))
            }
        }
    }

    async fn reply(
        &self,
        request: &Request,
        trace: Option<TraceContext>,
    ) -> Result<Bytes, HandlerError> {
        let asked = WeatherRequest::parse(&request.body)?;
        let mut span = self.tracer.follow(trace, || {
            SpanBuilder::from_name(self.provider.name()).with_kind(SpanKind::Internal)
        });
        let timer = self.metrics.processing.start_timer();
        let answer = self
            .provider
            .weather(asked.city(), request.deadline, span.context())
            .await;
        timer.observe_duration();
        match &answer {
            // It answered, and nobody failed: the caller meant another city.
            Err(ProviderError::CityUnknown { .. }) | Ok(_) => span.done(),
            Err(error) => span.fail(error.cause()),
        }
        let weather = answer.inspect_err(|error| self.metrics.provider_failed(error))?;
        let reply = WeatherReply::new(
            request.id,
            asked,
            weather.date.to_string(),
            weather.temperature_c,
            weather.summary.to_owned(),
        );
        let mut json = Vec::with_capacity(USUAL_REPLY);
        serde_json::to_writer(&mut json, &reply)?;
        Ok(json.into())
    }

    fn log(&self, request: &Request, trace: Option<TraceContext>, error: &HandlerError) {
        let (request_id, cause) = (request.id, error.cause());
        if let HandlerError::Provider(ProviderError::CityUnknown { .. }) = error {
            // The caller's mistake, and its city is nobody else's business.
            tracing::debug!(%request_id, cause, "answered with a failure");
            return;
        }
        let throttled = self
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(cause, Instant::now());
        if let Some(suppressed) = throttled {
            let error = error_text(error);
            let trace_id = TraceContext::log_id(trace);
            tracing::warn!(%request_id, trace_id, cause, error, suppressed, "answered with a failure");
        }
    }
}

impl HandlerError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Request(_) => FailureCode::RequestInvalid,
            Self::Provider(error) => error.code(),
            Self::Reply(_) => FailureCode::ProviderFailed,
        }
    }

    fn cause(&self) -> &'static str {
        match self {
            Self::Request(_) => "request-invalid",
            Self::Provider(error) => error.cause(),
            Self::Reply(_) => "reply-unwritable",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus::Registry;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;
    use crate::{
        providers::{Simulated, SimulatedConfig},
        terminals::TerminalState,
    };

    const CALM: SimulatedConfig = SimulatedConfig {
        processing_time: Duration::ZERO,
        failure_rate: 0.0,
        slow_rate: 0.0,
        slow_time: Duration::ZERO,
        faults: true,
    };

    struct Fixture {
        handler: Arc<Handler>,
        terminals: Terminals,
        registry: Registry,
    }

    fn fixture(config: SimulatedConfig) -> Fixture {
        let registry = Registry::new();
        let terminals = Terminals::new(2);
        let provider = Provider::Simulated(Simulated::new(config));
        let metrics = Metrics::register(&registry, &terminals, &provider).unwrap();
        let handler = Arc::new(Handler::new(
            provider,
            terminals.clone(),
            metrics,
            Tracer::default(),
        ));
        Fixture {
            handler,
            terminals,
            registry,
        }
    }

    fn request(body: &str) -> Request {
        Request {
            id: Uuid::from_u128(7),
            body: Bytes::copy_from_slice(body.as_bytes()),
            content_type: None,
            traceparent: None,
            deadline: tokio::time::Instant::now() + Duration::from_secs(30),
            queued: Duration::ZERO,
            deliveries: 1,
        }
    }

    fn weather_in(city: &str) -> Request {
        request(&serde_json::json!({"city": city, "location": "Downtown"}).to_string())
    }

    /// Served and failed, of all terminals together.
    fn counts(terminals: &Terminals) -> (u64, u64) {
        let view = terminals.view();
        assert!(
            view.iter()
                .all(|terminal| terminal.state == TerminalState::Idle),
            "{view:?}"
        );
        (
            view.iter().map(|terminal| terminal.served).sum(),
            view.iter().map(|terminal| terminal.failed).sum(),
        )
    }

    #[tokio::test]
    async fn the_reply_belongs_to_the_request() {
        let fixture = fixture(CALM);
        let body = fixture
            .handler
            .handle(weather_in("New York"))
            .await
            .unwrap();
        let reply: WeatherReply = serde_json::from_slice(&body).unwrap();
        assert_eq!(reply.request_id, Uuid::from_u128(7));
        assert_eq!(
            (reply.city.as_str(), reply.location.as_str()),
            ("New York", "Downtown")
        );
        assert_eq!(
            reply.date.parse::<jiff::civil::Date>().unwrap().to_string(),
            reply.date
        );
        assert_eq!(counts(&fixture.terminals), (1, 0));
    }

    #[tokio::test]
    async fn failures_carry_the_code_of_their_cause() {
        let fixture = fixture(CALM);
        for (body, code) in [
            ("not json", "request-invalid"),
            (r#"{"city":"","location":"x"}"#, "request-invalid"),
            (r#"{"city":"fail!","location":"x"}"#, "provider-failed"),
        ] {
            let failure = fixture.handler.handle(request(body)).await.unwrap_err();
            assert_eq!(failure.code, code, "{body}");
        }
        assert_eq!(counts(&fixture.terminals), (0, 3));
        let metrics = common::metrics::encode(&fixture.registry).unwrap();
        assert!(
            metrics.contains("weather_provider_errors_total{cause=\"simulated\"} 1"),
            "{metrics}"
        );
        assert!(
            metrics.contains("weather_provider_errors_total{cause=\"timeout\"} 0"),
            "{metrics}"
        );
        assert!(
            metrics.contains("weather_request_processing_seconds_count 1"),
            "{metrics}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_is_cut_off_or_panics_frees_its_terminal() {
        let fixture = fixture(CALM);
        let cut = timeout(
            Duration::from_secs(1),
            fixture.handler.handle(weather_in("hang!")),
        )
        .await;
        assert!(cut.is_err(), "{cut:?}");
        let handler = fixture.handler.clone();
        let panicked =
            tokio::spawn(async move { handler.handle(weather_in("panic!")).await }).await;
        assert!(panicked.expect_err("a panic").is_panic());
        assert_eq!(counts(&fixture.terminals), (0, 2));
        let metrics = common::metrics::encode(&fixture.registry).unwrap();
        assert!(
            metrics.contains("weather_request_processing_seconds_count 2"),
            "{metrics}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_terminal_shows_its_request() {
        let fixture = fixture(SimulatedConfig {
            processing_time: Duration::from_secs(5),
            ..CALM
        });
        let handler = fixture.handler.clone();
        let running = tokio::spawn(async move { handler.handle(weather_in("Oslo")).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let busy: Vec<_> = fixture
            .terminals
            .view()
            .into_iter()
            .filter_map(|terminal| terminal.request_id)
            .collect();
        assert_eq!(busy, [Uuid::from_u128(7)]);
        assert!(
            common::metrics::encode(&fixture.registry)
                .unwrap()
                .contains("terminals_active 1")
        );
        running.await.unwrap().unwrap();
    }
}

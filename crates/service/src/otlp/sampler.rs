//! Which traces are recorded.

use opentelemetry::{
    Context, KeyValue, TraceId,
    trace::{Link, SpanKind},
};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

use crate::settings::{SamplerChoice, Traces};

/// Decides where a trace enters the service, which is at a span of a server. What is behind that follows it, also where
/// the settings do not go by what callers say: a trace is to be whole.
#[derive(Debug, Clone)]
pub(super) struct Heads {
    heads: Sampler,
    behind: Sampler,
}

impl Heads {
    pub(super) fn new(settings: &Traces) -> Self {
        let share = Sampler::TraceIdRatioBased(settings.otel_traces_sampler_arg);
        let parent_based = |root| Sampler::ParentBased(Box::new(root));
        let heads = match settings.otel_traces_sampler {
            SamplerChoice::AlwaysOn => Sampler::AlwaysOn,
            SamplerChoice::AlwaysOff => Sampler::AlwaysOff,
            SamplerChoice::TraceIdRatio => share,
            SamplerChoice::ParentBasedAlwaysOn => parent_based(Sampler::AlwaysOn),
            SamplerChoice::ParentBasedAlwaysOff => parent_based(Sampler::AlwaysOff),
            SamplerChoice::ParentBasedTraceIdRatio => parent_based(share),
        };
        Self {
            heads,
            behind: parent_based(Sampler::AlwaysOff),
        }
    }
}

impl ShouldSample for Heads {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = match kind {
            SpanKind::Server => &self.heads,
            _ => &self.behind,
        };
        sampler.should_sample(parent, trace, name, kind, attributes, links)
    }
}

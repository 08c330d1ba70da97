//! Traces: what one request did and for how long, across processes, by OpenTelemetry's rules.
//!
//! A [`Tracer`] that is off costs a look at a pointer, and is what there is by default. What is sampled is decided
//! once, where a trace begins: everything behind that [follows](Tracer::follow) what the [`TraceContext`] says, so that
//! a trace is whole or not there at all, and what is not sampled costs nothing further on.
//!
//! How spans leave the process is not known here: any tracer of OpenTelemetry's API will do.

mod context;
mod span;
mod tracer;

pub use context::TraceContext;
pub use opentelemetry::{
    KeyValue,
    trace::{SpanBuilder, SpanKind},
};
pub use span::Span;
pub use tracer::Tracer;

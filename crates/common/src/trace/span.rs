//! One piece of work within a trace.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    KeyValue, Value,
    global::BoxedSpan,
    trace::{Span as _, Status},
};

use super::TraceContext;

/// A piece of work that is being recorded, or nothing where it is not. It ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span(Option<BoxedSpan>);

impl Span {
    /// What is not recorded.
    pub const fn none() -> Self {
        Self(None)
    }

    pub(super) fn recording(span: BoxedSpan) -> Self {
        Self(span.is_recording().then_some(span))
    }

    /// The context for what belongs below it, if it is recorded.
    pub fn context(&self) -> Option<TraceContext> {
        self.0
            .as_ref()
            .map(|span| TraceContext::of(span.span_context()))
    }

    /// The same as the value of a `traceparent` header.
    pub fn traceparent(&self) -> Option<String> {
        self.context().map(|context| context.to_string())
    }

    /// Whether anything is recorded: what is dear to find out need not be found out for nobody.
    pub fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Calls it something else.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.0 {
            span.update_name(name);
        }
    }

    /// Says more about it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// It failed, for a reason of low cardinality: it becomes `error.type`.
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.0 {
            let reason = reason.into();
            span.set_attribute(KeyValue::new("error.type", reason.clone()));
            span.set_status(Status::error(reason));
        }
    }

    /// Ends it at another time than now.
    pub fn end_at(mut self, end: SystemTime) {
        if let Some(span) = &mut self.0 {
            span.end_with_timestamp(end);
        }
    }
}

//! One piece of work within a trace.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    KeyValue, Value,
    global::BoxedSpan,
    trace::{Span as _, Status},
};

use super::TraceContext;

/// The `error.type` of work that was given up before its end: its caller left, its time was over, its process ends.
const CANCELLED: &str = "cancelled";

/// A piece of work that is being recorded, or nothing where it is not.
///
/// It ends when it is [done](Self::done). Dropped before that, neither done nor failed, it was cancelled, and says so.
#[derive(Debug, Default)]
pub struct Span {
    recording: Option<BoxedSpan>,
    failed: bool,
}

impl Span {
    /// What is not recorded.
    pub const fn none() -> Self {
        Self {
            recording: None,
            failed: false,
        }
    }

    pub(super) fn recording(span: BoxedSpan) -> Self {
        Self {
            recording: span.is_recording().then_some(span),
            failed: false,
        }
    }

    /// The context for what belongs below it, if it is recorded.
    pub fn context(&self) -> Option<TraceContext> {
        let span = self.recording.as_ref()?;
        Some(TraceContext::of(span.span_context()))
    }

    /// The same as the value of a `traceparent` header.
    pub fn traceparent(&self) -> Option<String> {
        self.context().map(|context| context.to_string())
    }

    /// Whether anything is recorded: what is dear to find out need not be found out for nobody.
    pub fn is_recorded(&self) -> bool {
        self.recording.is_some()
    }

    /// Calls it something else.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(span) = &mut self.recording {
            span.update_name(name);
        }
    }

    /// Says more about it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.recording {
            span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// It failed, for a reason of low cardinality, which becomes `error.type`.
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.failed = true;
        if let Some(span) = &mut self.recording {
            span.set_attribute(KeyValue::new("error.type", reason.into()));
            span.set_status(Status::error(""));
        }
    }

    /// Ends it now.
    pub fn done(&mut self) {
        // An SDK's span ends when it is dropped.
        self.recording = None;
    }

    /// Ends it at another time than now.
    pub fn done_at(&mut self, end: SystemTime) {
        if let Some(mut span) = self.recording.take() {
            span.end_with_timestamp(end);
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.failed {
            self.fail(CANCELLED);
        }
    }
}

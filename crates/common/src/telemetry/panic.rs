//! Panics as log lines: standard error may be blocked, and its many lines are not one event.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;

use tracing::Level;

/// From here on a panic is logged, in place of what is printed on standard error otherwise; that still happens where
/// the filter keeps the line out of the log. With `RUST_BACKTRACE` set the backtrace is a field of the line.
pub(super) fn log_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(Level::ERROR) {
            log(panic);
        } else {
            print(panic);
        }
    }));
}

fn log(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(tracing::field::display);
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    let backtrace = backtrace.as_ref().map(tracing::field::display);
    tracing::error!(
        location,
        thread,
        backtrace,
        "panicked: {}",
        panic_text(panic.payload())
    );
}

/// The message of a panic, by what it carries; `no message` where that is no text.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

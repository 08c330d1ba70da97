//! What `ingress` and `proxy` say to each other and to callers, as JSON in camelCase.

mod failure;
mod reply;
mod request;

pub use failure::FailureCode;
pub use reply::{WeatherReply, fahrenheit};
pub use request::{
    FieldDefect, JsonDefect, MAX_CHARACTERS, MAX_DEPTH, RequestDefect, Rule, WeatherRequest,
};

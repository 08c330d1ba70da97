//! Taking answers apart. Each function names what a command is known to answer with; anything else is an error.

use std::time::Duration;

use bytes::Bytes;

use super::{WireError, fault::checked, resp::Value};

pub(crate) fn array(value: Value) -> Result<Vec<Value>, WireError> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        _ => Err(WireError::unexpected("a command: an array")),
    }
}

pub(crate) fn bytes(value: Value) -> Result<Bytes, WireError> {
    match value {
        Value::Text(bytes) => Ok(bytes),
        _ => Err(WireError::unexpected("a command: a string")),
    }
}

pub(crate) fn text(value: Value) -> Result<String, WireError> {
    String::from_utf8(bytes(value)?.into()).map_err(|_| WireError::unexpected("a command: UTF-8"))
}

pub(crate) fn integer(value: &Value) -> Result<i64, WireError> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Text(digits) => std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| WireError::unexpected("a command: a number")),
        _ => Err(WireError::unexpected("a command: a number")),
    }
}

/// A count, which is never negative.
pub(crate) fn count(value: &Value) -> Result<u64, WireError> {
    u64::try_from(integer(value)?).map_err(|_| WireError::unexpected("a command: a count"))
}

/// The answer to `TIME`: seconds and microseconds since 1970.
pub(crate) fn redis_time(value: Value) -> Result<Duration, WireError> {
    let parts = array(checked(value)?)?;
    let [seconds, micros] = parts.as_slice() else {
        return Err(WireError::unexpected("TIME"));
    };
    Ok(Duration::from_secs(count(seconds)?) + Duration::from_micros(count(micros)?))
}

//! From the redis crate's errors to ours.

use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind, Value};

use super::tls;
use crate::error::Fault;

/// A command that failed: the fault to act on, and the server's own words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireError {
    pub fault: Fault,
    pub message: String,
}

impl WireError {
    pub(crate) fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }

    /// An answer that does not have the form that Redis documents.
    pub(crate) fn unexpected(what: &str) -> Self {
        Self::new(Fault::Other, format!("unexpected answer to {what}"))
    }

    /// Whether the connection is of no more use: broken, of unknown state, or to the wrong server.
    pub(crate) fn needs_reconnect(&self) -> bool {
        match self.fault {
            Fault::Disconnected
            | Fault::Timeout
            | Fault::Tls
            | Fault::NoPrimary
            | Fault::ReadOnly
            | Fault::NoAuth
            | Fault::Other => true,
            Fault::Loading
            | Fault::OutOfMemory
            | Fault::Misconfigured
            | Fault::NoReplicas
            | Fault::NoPermission
            | Fault::NoGroup
            | Fault::WrongType
            | Fault::Busy => false,
        }
    }
}

impl From<RedisError> for WireError {
    fn from(error: RedisError) -> Self {
        if let Some(message) = tls::advice(&error) {
            return Self::new(Fault::Tls, message);
        }
        let message = error.to_string();
        let fault = match error.kind() {
            ErrorKind::Server(kind) => of_kind(kind),
            ErrorKind::Extension => error.code().map_or(Fault::Other, of_code),
            ErrorKind::AuthenticationFailed => Fault::NoAuth,
            ErrorKind::Io if error.is_timeout() => Fault::Timeout,
            ErrorKind::Io | ErrorKind::Parse => Fault::Disconnected,
            ErrorKind::InvalidClientConfig => Fault::Tls,
            _ => Fault::Other,
        };
        Self { fault, message }
    }
}

impl From<ServerError> for WireError {
    fn from(error: ServerError) -> Self {
        let fault = match error.kind() {
            Some(kind) => of_kind(kind),
            None => of_code(error.code()),
        };
        let message = match error.details() {
            Some(details) => format!("{} {details}", error.code()),
            None => error.code().to_owned(),
        };
        Self { fault, message }
    }
}

/// The answer to one command of several: an error in place of a value becomes an error.
pub(crate) fn checked(value: Value) -> Result<Value, WireError> {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

fn of_kind(kind: ServerErrorKind) -> Fault {
    match kind {
        ServerErrorKind::BusyLoading => Fault::Loading,
        ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown => Fault::ReadOnly,
        ServerErrorKind::NoPerm => Fault::NoPermission,
        _ => Fault::Other,
    }
}

fn of_code(code: &str) -> Fault {
    match code {
        "OOM" => Fault::OutOfMemory,
        "MISCONF" => Fault::Misconfigured,
        "NOREPLICAS" => Fault::NoReplicas,
        "NOAUTH" | "WRONGPASS" => Fault::NoAuth,
        // A deleted stream ends a blocked read with UNBLOCKED, a destroyed group with NOGROUP. A
        // demoted primary says UNBLOCKED too: then the role check at the next step finds it.
        "NOGROUP" | "UNBLOCKED" => Fault::NoGroup,
        "WRONGTYPE" => Fault::WrongType,
        "BUSY" => Fault::Busy,
        _ => Fault::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::ErrorKind;

    use super::*;

    #[test]
    fn a_code_of_the_server_becomes_its_fault() {
        for (code, fault) in [
            ("OOM", Fault::OutOfMemory),
            ("MISCONF", Fault::Misconfigured),
            ("NOGROUP", Fault::NoGroup),
            ("UNBLOCKED", Fault::NoGroup),
            ("NOAUTH", Fault::NoAuth),
            ("SOMETHINGNEW", Fault::Other),
        ] {
            let error = redis::make_extension_error(code.into(), Some("detail".into()));
            assert_eq!(WireError::from(error).fault, fault, "{code}");
        }
        for (kind, fault) in [
            (ServerErrorKind::BusyLoading, Fault::Loading),
            (ServerErrorKind::ReadOnly, Fault::ReadOnly),
            (ServerErrorKind::NoPerm, Fault::NoPermission),
        ] {
            let error = RedisError::from((ErrorKind::Server(kind), "x"));
            assert_eq!(WireError::from(error).fault, fault, "{kind:?}");
        }
        for (kind, fault) in [
            (io::ErrorKind::InvalidData, Fault::Tls),
            (io::ErrorKind::TimedOut, Fault::Timeout),
            (io::ErrorKind::ConnectionRefused, Fault::Disconnected),
        ] {
            let error = RedisError::from(io::Error::new(kind, "x"));
            assert_eq!(WireError::from(error).fault, fault, "{kind:?}");
        }
    }
}

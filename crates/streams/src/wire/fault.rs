//! From what Redis refuses to faults.

use redis::RedisError;

use super::resp::Value;
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

/// Of a URL, which the check of the settings let pass. What is wrong is told without the URL.
impl From<RedisError> for WireError {
    fn from(error: RedisError) -> Self {
        Self::new(Fault::Other, error.category())
    }
}

/// The answer to one command of several: a refusal in place of a value becomes an error.
pub(crate) fn checked(value: Value) -> Result<Value, WireError> {
    match value {
        Value::Error(words) => {
            let words = String::from_utf8_lossy(&words);
            // One that `EXEC` met stands behind that command's own code.
            let refusal = words.strip_prefix("EXECABORT Transaction discarded because of: ");
            let code = refusal.unwrap_or(&words).split(' ').next();
            Err(WireError::new(of_code(code.unwrap_or_default()), words))
        }
        value => Ok(value),
    }
}

fn of_code(code: &str) -> Fault {
    match code {
        "LOADING" => Fault::Loading,
        "READONLY" | "MASTERDOWN" => Fault::ReadOnly,
        "NOPERM" => Fault::NoPermission,
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
    use super::*;

    #[test]
    fn a_code_of_the_server_becomes_its_fault() {
        for (words, fault) in [
            ("OOM command not allowed", Fault::OutOfMemory),
            (
                "EXECABORT Transaction discarded because of: OOM command not allowed",
                Fault::OutOfMemory,
            ),
            ("MISCONF Errors writing", Fault::Misconfigured),
            ("NOGROUP No such key", Fault::NoGroup),
            ("UNBLOCKED the stream key", Fault::NoGroup),
            ("NOAUTH", Fault::NoAuth),
            ("LOADING Redis is loading", Fault::Loading),
            ("READONLY You can't write", Fault::ReadOnly),
            ("NOPERM this user", Fault::NoPermission),
            ("ERR unknown command", Fault::Other),
            ("SOMETHINGNEW", Fault::Other),
            ("", Fault::Other),
        ] {
            let refusal = checked(Value::Error(words.into())).expect_err(words);
            assert_eq!(refusal, WireError::new(fault, words));
        }
    }
}

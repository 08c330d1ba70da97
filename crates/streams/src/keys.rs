//! Every Redis key the engine touches is named here, with its type, who writes it and what bounds it.
//!
//! - **The request stream**: a stream with one consumer group. Clients add, workers delete. Bound by
//!   [`max_outstanding`](crate::ClientConfig::max_outstanding): new work is refused, nothing is trimmed.
//! - **The response stream**: a stream. Workers add, clients trim, by
//!   [`reply_retention`](crate::ClientConfig::reply_retention) and [`reply_bytes`](crate::ClientConfig::reply_bytes).
//! - **`<response stream>:<instance>`**: a stream, the dedicated reply stream of one client. Workers add. Bound as the
//!   one above, and it expires one retention after the last reply.
//! - **`<request stream>:dead`**: a stream, the dead letters. Workers write it, up to
//!   [`max_dead_letters`](crate::WorkerConfig::max_dead_letters); the oldest make room.
//! - **`<request stream>:workers`**: a hash, one field per living worker. Workers write it, prune fields that are
//!   stale, and the key expires when no worker is left.
//!
//! The request stream is never combined with `XTRIM`: its entries leave by `XDEL` alone.

use crate::error::ConfigError;

/// The names that clients and workers of one service must agree on. Each has between 1 and 256 bytes and no control
/// characters, and no key that is made of them may be another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNames {
    /// The stream that carries requests.
    pub requests: String,
    /// The stream that carries replies, and the prefix of dedicated reply streams.
    pub responses: String,
    /// The consumer group of the workers on the request stream.
    pub group: String,
}

impl StreamNames {
    /// `<service>-requests`, `<service>-responses` and the group `<service>-workers`.
    pub fn for_service(service: &str) -> Self {
        Self {
            requests: format!("{service}-requests"),
            responses: format!("{service}-responses"),
            group: format!("{service}-workers"),
        }
    }

    /// The stream that keeps what could not be worked on.
    pub fn dead_letters(&self) -> String {
        format!("{}:dead", self.requests)
    }

    /// The hash in which living workers announce their capacity.
    pub(crate) fn workers(&self) -> String {
        format!("{}:workers", self.requests)
    }

    /// The reply stream that belongs to one client instance alone.
    pub(crate) fn dedicated_responses(&self, instance: &str) -> String {
        format!("{}:{instance}", self.responses)
    }

    /// Where the reply to a request goes that names this stream, or none.
    pub(crate) fn reply_stream<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        named.unwrap_or(&self.responses)
    }

    /// Whether that is the response stream or a dedicated one: a request may name nothing else, or a forged entry
    /// could make a worker write to any key.
    pub(crate) fn takes_replies(&self, named: Option<&str>) -> bool {
        let key = self.reply_stream(named);
        key == self.responses || self.is_dedicated(key)
    }

    /// Whether `key` is a dedicated reply stream, which expires on its own.
    pub(crate) fn is_dedicated(&self, key: &str) -> bool {
        key.strip_prefix(&self.responses)
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|instance| !instance.is_empty())
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for (setting, name) in [
            ("requests", &self.requests),
            ("responses", &self.responses),
            ("group", &self.group),
        ] {
            if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
                return Err(ConfigError::Name { setting });
            }
        }
        let taken = [self.dead_letters(), self.workers()];
        if self.requests == self.responses
            || self.is_dedicated(&self.requests)
            || taken.iter().any(|key| self.takes_replies(Some(key)))
        {
            return Err(ConfigError::NamesCollide);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_goes_to_the_response_stream_or_below_it_and_nowhere_else() {
        let names = StreamNames::for_service("echo");
        assert!(names.takes_replies(None) && names.takes_replies(Some("echo-responses")));
        assert!(names.takes_replies(Some(&names.dedicated_responses("a"))));
        for foreign in [
            "echo-responses:",
            "echo-responses-2",
            "echo-requests",
            "",
            "x",
        ] {
            assert!(!names.takes_replies(Some(foreign)), "{foreign}");
        }
    }

    #[test]
    fn names_that_would_share_a_key_are_refused() {
        let names = |requests: &str, responses: &str| StreamNames {
            requests: requests.into(),
            responses: responses.into(),
            group: "g".into(),
        };
        assert_eq!(names("a", "b").validate(), Ok(()));
        assert_eq!(names("a", "a").validate(), Err(ConfigError::NamesCollide));
        assert_eq!(names("a:b", "a").validate(), Err(ConfigError::NamesCollide));
        assert_eq!(
            names("a", "a:dead").validate(),
            Err(ConfigError::NamesCollide)
        );
        assert_eq!(
            names("", "b").validate(),
            Err(ConfigError::Name {
                setting: "requests"
            })
        );
    }
}

//! The address of the service under test.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// The base address of the service under test: `http://` or `https://`, host, optional port and path prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    authority: String,
    host: String,
    port: u16,
    prefix: String,
}

/// Why an address cannot be a target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidUrl {
    /// Not a URL at all.
    #[error("not a URL, such as http://127.0.0.1:5009")]
    Malformed,
    /// Something other than HTTP.
    #[error("must start with http:// or https://")]
    Scheme,
    /// A user name or password, which would end up in reports.
    #[error("must not hold a user name or password")]
    Credentials,
    /// A query or a fragment, to which no path can be appended.
    #[error("must not hold a query or a fragment")]
    Query,
}

impl Target {
    /// Whether the connection is to be encrypted.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The host to connect to: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the `Host` header spells them.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path below this target's prefix, as HTTP/1.1 sends it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The whole URL of a path below this target.
    pub fn url(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

impl FromStr for Target {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        // `Uri` drops a fragment silently, so look for it before parsing.
        if text.contains(['?', '#']) {
            return Err(InvalidUrl::Query);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidUrl::Malformed)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidUrl::Scheme),
        };
        let authority = uri.authority().ok_or(InvalidUrl::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(InvalidUrl::Malformed);
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            // `host:` and `host:99999` have no port either, and are not meant to mean the default.
            None if authority.as_str() != authority.host() => return Err(InvalidUrl::Malformed),
            None if tls => 443,
            None => 80,
        };
        Ok(Self {
            tls,
            authority: authority.to_string(),
            host: host.to_owned(),
            port,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let check = |text: &str, host: &str, port: u16, url: &str| {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host(), target.port()), (host, port), "{text}");
            assert_eq!(target.url("/health"), url, "{text}");
        };
        check(
            "http://127.0.0.1:5009",
            "127.0.0.1",
            5009,
            "http://127.0.0.1:5009/health",
        );
        check(
            "http://weather.local/",
            "weather.local",
            80,
            "http://weather.local/health",
        );
        check(
            "https://weather.local/api/",
            "weather.local",
            443,
            "https://weather.local/api/health",
        );
        check("http://[::1]:5009", "::1", 5009, "http://[::1]:5009/health");
    }

    #[test]
    fn addresses_that_cannot_be_a_target_are_refused() {
        let check = |text: &str, error: InvalidUrl| {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        };
        check("", InvalidUrl::Malformed);
        check("http://", InvalidUrl::Malformed);
        check("http://host:99999", InvalidUrl::Malformed);
        check("http://host:", InvalidUrl::Malformed);
        check("127.0.0.1:5009", InvalidUrl::Scheme);
        check("ftp://host", InvalidUrl::Scheme);
        check("/path", InvalidUrl::Scheme);
        check("http://user:secret@host", InvalidUrl::Credentials);
        check("http://host/?a=b", InvalidUrl::Query);
        check("http://host/#part", InvalidUrl::Query);
    }
}

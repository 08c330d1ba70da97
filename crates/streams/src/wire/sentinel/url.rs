//! `redis+sentinel://[user[:password]@]host[:port][,host[:port]]…/name[/db]`: the sentinels, the name they know the
//! primary by, and how to get into that. With `rediss+sentinel://` sentinels and servers are spoken to over TLS.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::error::ConfigError;

/// Where sentinels listen unless the URL says otherwise.
const DEFAULT_PORT: u16 = 26_379;

/// Three or five are usual; all of them are asked each time.
const MOST_SENTINELS: usize = 16;

/// Such a URL, taken apart.
#[derive(Debug)]
pub(crate) struct SentinelUrl {
    pub sentinels: Vec<ConnectionAddr>,
    pub name: String,
    /// How to get into the servers; its address is a sentinel's.
    into_server: ConnectionInfo,
}

impl SentinelUrl {
    /// `None` where the scheme is another one.
    pub(crate) fn parse(url: &str) -> Option<Result<Self, ConfigError>> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "redis+sentinel" => "redis",
            "rediss+sentinel" => "rediss",
            _ => return None,
        };
        Some(Self::take_apart(scheme, rest))
    }

    fn take_apart(scheme: &str, rest: &str) -> Result<Self, ConfigError> {
        let (authority, path) = rest
            .split_once('/')
            .ok_or_else(|| refused("the name of the primary is missing"))?;
        let (name, db) = path.split_once('/').unwrap_or((path, ""));
        if !is_name(name) {
            return Err(refused(
                "the name of the primary is missing or holds other characters than letters, digits, '.', '-' and '_'",
            ));
        }
        if !db.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused("the database is not a number"));
        }
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let at = if user.is_empty() { "" } else { "@" };
        let sentinels = hosts
            .split(',')
            .map(|host| {
                let port = if has_port(host) {
                    String::new()
                } else {
                    format!(":{DEFAULT_PORT}")
                };
                format!("{scheme}://{user}{at}{host}{port}/{db}")
                    .into_connection_info()
                    .map_err(|error| refused(error.category()))
            })
            .collect::<Result<Vec<ConnectionInfo>, _>>()?;
        if sentinels.len() > MOST_SENTINELS {
            return Err(refused("there are more than 16 sentinels"));
        }
        let into_server = sentinels
            .first()
            .cloned()
            .ok_or_else(|| refused("there is no sentinel"))?;
        Ok(Self {
            sentinels: sentinels.iter().map(|info| info.addr().clone()).collect(),
            name: name.to_owned(),
            into_server,
        })
    }

    /// How to get into the server at this address.
    pub(crate) fn server(&self, host: &str, port: u16) -> ConnectionInfo {
        let host = host.to_owned();
        let addr = match self.into_server.addr() {
            ConnectionAddr::TcpTls { .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.into_server.clone().set_addr(addr)
    }
}

fn refused(reason: &str) -> ConfigError {
    ConfigError::Url {
        reason: reason.to_owned(),
    }
}

/// What a sentinel takes as a name.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

/// The colons of an IPv6 address stand in brackets.
fn has_port(host: &str) -> bool {
    host.rsplit(']').next().unwrap_or(host).contains(':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(url: &str) -> SentinelUrl {
        SentinelUrl::parse(url)
            .expect("the scheme")
            .expect("a good URL")
    }

    fn addresses(url: &str) -> Vec<String> {
        parsed(url)
            .sentinels
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn all_of_it_is_understood() {
        let url = "redis+sentinel://user:p%40ss@one,two:1,[::1],[::1]:2/my-master.1/3";
        assert_eq!(addresses(url), ["one:26379", "two:1", "::1:26379", "::1:2"]);
        let url = parsed(url);
        assert_eq!(url.name, "my-master.1");
        let server = url.server("10.0.0.1", 6380);
        assert_eq!(*server.addr(), ConnectionAddr::Tcp("10.0.0.1".into(), 6380));
        let settings = server.redis_settings();
        assert_eq!(settings.username(), Some("user"));
        assert_eq!(settings.password(), Some("p@ss"));
        assert_eq!(settings.db(), 3);
    }

    #[test]
    fn tls_is_for_sentinels_and_servers() {
        let url = parsed("rediss+sentinel://one/main");
        let is_tls = |addr: &ConnectionAddr| matches!(addr, ConnectionAddr::TcpTls { insecure, .. } if !insecure);
        assert!(is_tls(&url.sentinels[0]));
        assert!(is_tls(url.server("one", 1).addr()));
        assert_eq!(url.server("one", 1).redis_settings().db(), 0);
    }

    #[test]
    fn what_is_something_else_is_refused_without_being_repeated() {
        let many = format!("redis+sentinel://{}/main", vec!["host"; 17].join(","));
        for url in [
            "redis+sentinel://hunter2",
            "redis+sentinel://hunter2/",
            "redis+sentinel:///main",
            "redis+sentinel://,/main",
            "redis+sentinel://one,/main",
            "redis+sentinel://one:hunter2/main",
            "redis+sentinel://one/hunter 2",
            "redis+sentinel://one/main/hunter2",
            "redis+sentinel://one/main/0/hunter2",
            "redis+sentinel://one/main?hunter2",
            "rediss+sentinel://one/main#insecure",
            "redis+sentinel://0.0.0.0/main",
            &many,
        ] {
            let error = SentinelUrl::parse(url).expect("the scheme").expect_err(url);
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
        assert!(SentinelUrl::parse("redis://one/0").is_none());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(rest in any::<String>()) {
            let _ = SentinelUrl::parse(&format!("redis+sentinel://{rest}"));
        }
    }
}

//! What the server at the other end is, and which command to use for each step on it.
//!
//! | step | newest | from | elsewhere |
//! |---|---|---|---|
//! | fetch what is new and what lapsed | `XREADGROUP … CLAIM` | Redis 8.4 | `XPENDING` + `XCLAIM`, then `XREADGROUP` |
//! | delete and acknowledge | `XACKDEL` | Redis 8.2.3, Valkey 9.2 | `XDEL`, then `XACK` |
//!
//! Before 8.2.3 the `XACKDEL` of Redis has CVE-2025-62507. The choice goes by the version that `INFO` reports, since
//! the guard against the faulty releases needs the version anyway.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    WireError,
    answer::text,
    fault::checked,
    info::Info,
    resp::{Commands, Value},
};
use crate::{error::Fault, health::ServerInfo};

/// A server as it answered when the connection was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub run_id: Arc<str>,
    pub role: String,
    pub eviction_policy: String,
    valkey: bool,
    version: [u32; 3],
}

impl Server {
    pub(crate) fn probe() -> Commands {
        let mut commands = Commands::new();
        for section in ["server", "replication", "memory"] {
            commands.cmd("INFO").arg(section);
        }
        commands
    }

    pub(crate) fn read(answers: Vec<Value>) -> Result<Self, WireError> {
        let mut info = String::new();
        for answer in answers {
            info.push_str(&text(checked(answer)?)?);
        }
        Self::parse(&Info::from(info))
    }

    fn parse(info: &Info) -> Result<Self, WireError> {
        let field = |name: &str| info.get(name);
        let valkey = field("valkey_version");
        let version = valkey.or(field("redis_version")).unwrap_or_default();
        let mut numbers = version
            .split(['.', '-'])
            .map(|part| part.parse().unwrap_or(0));
        let version = std::array::from_fn(|_| numbers.next().unwrap_or(0));
        let run_id = field("run_id").unwrap_or_default();
        if run_id.is_empty() || version == [0; 3] {
            return Err(WireError::unexpected("INFO"));
        }
        Ok(Self {
            run_id: run_id.into(),
            role: field("role").unwrap_or("unknown").to_owned(),
            eviction_policy: field("maxmemory_policy").unwrap_or("unknown").to_owned(),
            valkey: valkey.is_some(),
            version,
        })
    }

    /// A replica takes no writes, and what is read from it may be stale: a reply reader would wait
    /// on it for ever.
    pub(crate) fn require_primary(&self) -> Result<(), WireError> {
        if self.role == "slave" {
            return Err(WireError::new(Fault::ReadOnly, "the server is a replica"));
        }
        Ok(())
    }

    /// Whether one read delivers both what is new and what lapsed.
    pub(crate) fn reads_with_claim(&self) -> bool {
        !self.valkey && self.version >= [8, 4, 0]
    }

    /// Whether one command deletes and acknowledges.
    pub(crate) fn acks_with_delete(&self) -> bool {
        if self.valkey {
            self.version >= [9, 2, 0]
        } else {
            self.version >= [8, 2, 3]
        }
    }

    pub(crate) fn info(&self) -> ServerInfo {
        let [major, minor, patch] = self.version;
        ServerInfo {
            server: if self.valkey { "valkey" } else { "redis" },
            version: format!("{major}.{minor}.{patch}"),
            role: self.role.clone(),
            run_id: self.run_id.to_string(),
            eviction_policy: self.eviction_policy.clone(),
            commands: BTreeMap::from([
                (
                    "fetch",
                    if self.reads_with_claim() {
                        "XREADGROUP CLAIM"
                    } else {
                        "XREADGROUP, XPENDING+XCLAIM"
                    },
                ),
                (
                    "ack",
                    if self.acks_with_delete() {
                        "XACKDEL"
                    } else {
                        "XDEL+XACK"
                    },
                ),
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(valkey: bool, version: [u32; 3]) -> Server {
        Server {
            run_id: "r".into(),
            role: "master".into(),
            eviction_policy: "noeviction".into(),
            valkey,
            version,
        }
    }

    #[test]
    fn info_is_understood() {
        let info = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\nrun_id:abc\r\n\
                    role:master\r\nmaxmemory_policy:noeviction\r\n";
        let parse = |info: &str| Server::parse(&Info::from(info.to_owned()));
        assert_eq!(
            parse(info).expect("complete"),
            Server {
                run_id: "abc".into(),
                ..server(true, [8, 1, 1])
            }
        );
        assert!(parse("").is_err());
        assert!(parse("redis_version:nonsense\r\nrun_id:a").is_err());
    }

    #[test]
    fn the_newest_command_is_used_from_the_release_that_has_it_right() {
        for (valkey, version, claim, ackdel) in [
            (false, [6, 2, 0], false, false),
            (false, [8, 2, 2], false, false),
            (false, [8, 2, 3], false, true),
            (false, [8, 4, 0], true, true),
            (true, [9, 1, 2], false, false),
            (true, [9, 2, 0], false, true),
        ] {
            let server = server(valkey, version);
            assert_eq!(
                (server.reads_with_claim(), server.acks_with_delete()),
                (claim, ackdel),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_replica_is_refused() {
        let replica = Server {
            role: "slave".into(),
            ..server(false, [7, 0, 0])
        };
        assert_eq!(
            replica.require_primary().expect_err("replica").fault,
            Fault::ReadOnly
        );
    }
}

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;

/// Which server answers: Redis or Valkey, and its own version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// Whether it is Valkey, which also reports the Redis version that it is compatible with.
    pub is_valkey: bool,
    /// Major, minor, patch.
    pub number: (u32, u32, u32),
}

impl ServerVersion {
    pub(super) fn from_info(info: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let valkey = info.get("valkey_version");
        let text = valkey
            .or_else(|| info.get("redis_version"))
            .context("INFO names no version")?;
        let number = parse(text).with_context(|| format!("not a version: {text:?}"))?;
        Ok(Self {
            is_valkey: valkey.is_some(),
            number,
        })
    }

    /// From what the program says to `--version`: `Redis server v=7.0.15 sha=…`.
    pub(super) fn from_words(said: &str) -> Option<Self> {
        let number = said
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="))?;
        Some(Self {
            is_valkey: said.starts_with("Valkey"),
            number: parse(number)?,
        })
    }

    /// Whether one command deletes and acknowledges, without the fault of its first releases.
    pub fn has_xackdel(&self) -> bool {
        self.number >= if self.is_valkey { (9, 2, 0) } else { (8, 2, 3) }
    }

    /// Whether it is Redis (not Valkey) of at least this version.
    pub fn is_redis_since(&self, number: (u32, u32, u32)) -> bool {
        !self.is_valkey && self.number >= number
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.number;
        write!(
            f,
            "{} {major}.{minor}.{patch}",
            if self.is_valkey { "Valkey" } else { "Redis" }
        )
    }
}

fn parse(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_which_it_is() {
        let said = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1";
        let (redis, valkey) = ((7, 0, 15), (8, 1, 4));
        let version = ServerVersion::from_words(said).unwrap();
        assert_eq!((version.is_valkey, version.number), (false, redis));
        let version = ServerVersion::from_words("Valkey server v=8.1.4 sha=0").unwrap();
        assert_eq!((version.is_valkey, version.number), (true, valkey));
        assert_eq!(ServerVersion::from_words("who knows"), None);
    }

    fn version(fields: &[(&str, &str)]) -> anyhow::Result<ServerVersion> {
        ServerVersion::from_info(
            &fields
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
        )
    }

    #[test]
    fn tells_redis_from_valkey() {
        let redis = version(&[("redis_version", "7.0.15")]).unwrap();
        assert_eq!(redis.to_string(), "Redis 7.0.15");
        let valkey = version(&[("redis_version", "7.2.4"), ("valkey_version", "8.1.1")]).unwrap();
        assert_eq!(valkey.to_string(), "Valkey 8.1.1");
    }

    #[test]
    fn compares_versions_of_redis_only() {
        let redis = version(&[("redis_version", "8.10.1")]).unwrap();
        assert!(redis.is_redis_since((8, 2, 3)));
        assert!(!redis.is_redis_since((8, 10, 2)));
        assert!(
            !version(&[("valkey_version", "9.1.2")])
                .unwrap()
                .is_redis_since((7, 0, 0))
        );
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", "7", "7.0", "seven.0.1"] {
            assert!(version(&[("redis_version", text)]).is_err(), "{text:?}");
        }
        assert!(version(&[]).is_err());
    }
}

//! The rights that the services have in production, so that tests run under the same.

use std::fs;
use std::process::Command;

use anyhow::Context;

use super::builder::server_program;
use super::{RedisServer, ServerVersion};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/acl.md");

/// The lines of an ACL file that `docs/acl.md` gives for this server: the users `ingress` and `proxy`, with the
/// passwords `INGRESS_PASSWORD` and `PROXY_PASSWORD`, and no `default`.
pub fn documented_acl(version: ServerVersion) -> anyhow::Result<String> {
    let heading = match version {
        ServerVersion {
            number: (0..=6, ..),
            ..
        } => "### Redis 6.2",
        version if version.has_xackdel() => "### Redis 8.2.3, Valkey 9.2, and newer",
        _ => "### Redis 7.0 to 8.2.2, Valkey 7.2 to 9.1",
    };
    let document = fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
    let (_, section) = document
        .split_once(&format!("\n{heading}\n"))
        .with_context(|| format!("{DOCUMENT} has no {heading:?}"))?;
    let block = section.split("```").nth(1);
    let lines = block.with_context(|| format!("no lines under {heading:?}"))?;
    Ok(lines.trim().to_owned())
}

impl RedisServer {
    /// What users were denied since the server was started, as its ACL log tells it.
    pub async fn denied(&self) -> anyhow::Result<Vec<String>> {
        let log: Vec<redis::Value> = self.command(&["ACL", "LOG"]).await?;
        Ok(log.iter().map(|entry| format!("{entry:?}")).collect())
    }

    /// The version of the program that will be started.
    pub fn installed_version() -> anyhow::Result<ServerVersion> {
        let output = Command::new(server_program()?).arg("--version").output()?;
        let said = String::from_utf8(output.stdout)?;
        ServerVersion::from_words(&said).with_context(|| format!("not a version: {said:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_installed_server_takes_the_lines_that_are_documented_for_it() {
        let version = RedisServer::installed_version().unwrap();
        let lines = documented_acl(version).unwrap();
        let redis = RedisServer::builder().acl(&lines).start().await.unwrap();
        assert_eq!(redis.version().await.unwrap(), version);
        let mut users: Vec<String> = redis.command(&["ACL", "USERS"]).await.unwrap();
        users.sort();
        assert_eq!(users, ["default", "ingress", "proxy", "testbed"]);
    }

    /// Redis replays the transactions in its log as the user `default`, and what that one may not do is lost.
    #[tokio::test]
    async fn a_restart_forgets_nothing_under_these_lines() {
        let lines = documented_acl(RedisServer::installed_version().unwrap()).unwrap();
        let redis = RedisServer::builder()
            .acl(lines)
            .ledger()
            .start()
            .await
            .unwrap();
        let twice = "redis.call('XADD', 's', '*', 'a', 'b') redis.call('XADD', 's', '*', 'a', 'b')";
        redis.command::<()>(&["EVAL", twice, "0"]).await.unwrap();
        redis.kill_hard().await.unwrap();
        redis.start_again().await.unwrap();
        let length: u64 = redis.command(&["XLEN", "s"]).await.unwrap();
        assert_eq!(length, 2);
        assert_eq!(redis.denied().await.unwrap(), [""; 0]);
    }

    /// Dead letters hold what callers sent; who may look at them and bury them can do nothing else.
    #[tokio::test]
    async fn the_documented_undertaker_has_to_do_with_dead_letters_alone() {
        let document = fs::read_to_string(DOCUMENT).unwrap();
        let mut lines = document.lines().map(str::trim);
        let line = lines.find(|line| line.starts_with("user undertaker "));
        let redis = RedisServer::builder().acl(line.unwrap());
        let redis = redis.start().await.unwrap();
        let (dead, requests) = ("weather-requests:dead", "weather-requests");
        for stream in [dead, requests, "weather-responses"] {
            let add = ["XADD", stream, "1-1", "a", "b"];
            redis.command::<()>(&add).await.unwrap();
        }
        let client = redis::Client::open(redis.url_for("undertaker", "PASSWORD")).unwrap();
        let undertaker = client.get_multiplexed_async_connection().await.unwrap();
        let ask = async |parts: &[&str]| {
            let mut command = redis::cmd(parts[0]);
            command.arg(&parts[1..]);
            command
                .query_async::<redis::Value>(&mut undertaker.clone())
                .await
        };
        for refused in [
            &["XRANGE", requests, "-", "+"][..],
            &["XRANGE", "weather-responses", "-", "+"],
            &["XDEL", requests, "1-1"],
            &["XREAD", "STREAMS", dead, "0"],
            &["XADD", dead, "*", "a", "b"],
            &["XTRIM", dead, "MAXLEN", "0"],
            &["DEL", dead],
            &["RENAME", requests, dead],
            &["KEYS", "*"],
            &["SCAN", "0"],
            &["EVAL", "return redis.call('KEYS', '*')", "0"],
            &["PUBLISH", "a", "b"],
            &["INFO"],
            &["CONFIG", "GET", "*"],
            &["ACL", "LIST"],
            &["MONITOR"],
            &["FLUSHALL"],
        ] {
            let error = ask(refused).await.unwrap_err();
            assert_eq!(error.code(), Some("NOPERM"), "{refused:?}: {error}");
        }
        let letter = ask(&["XRANGE", dead, "-", "+"]).await.unwrap();
        let letter: Vec<(String, Vec<String>)> = redis::from_redis_value(letter).unwrap();
        assert_eq!(letter, [("1-1".into(), vec!["a".into(), "b".into()])]);
        assert_eq!(ask(&["XDEL", dead, "1-1"]).await, Ok(redis::Value::Int(1)));
        assert_eq!(ask(&["XLEN", dead]).await, Ok(redis::Value::Int(0)));
    }

    #[test]
    fn each_server_has_lines_of_its_own() {
        let lines =
            |is_valkey, number| documented_acl(ServerVersion { is_valkey, number }).unwrap();
        let (old, usual, new) = (
            lines(false, (6, 2, 14)),
            lines(false, (7, 0, 15)),
            lines(false, (8, 2, 3)),
        );
        assert!(!old.contains("%R~") && old.contains("+xack "));
        assert!(usual.contains("%R~") && usual.contains("+xack "));
        assert!(new.contains("+xackdel "));
        assert_eq!(lines(true, (9, 1, 0)), usual);
        assert_eq!(lines(true, (9, 2, 0)), new);
    }
}

//! The server's own figures, as its `INFO` tells them.

use tokio::time::{Duration, Instant};

use super::{
    Connection, WireError,
    info::Info,
    resp::{Commands, Value},
};
use crate::health::may_evict_streams;

/// What one look at a server told of it. `None` is what it did not say. Flags are 0 or 1; times are in seconds, sizes
/// in bytes; totals are since the server started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerFigures {
    pub version: String,
    pub mode: String,
    pub role: String,
    pub round_trip: Duration,
    pub uptime: Option<f64>,
    pub memory_used: Option<f64>,
    pub memory_peak: Option<f64>,
    pub memory_max: Option<f64>,
    pub memory_resident: Option<f64>,
    pub clients_connected: Option<f64>,
    pub clients_blocked: Option<f64>,
    pub clients_max: Option<f64>,
    pub replicas: Option<f64>,
    pub persistence_failing: Option<f64>,
    pub aof_enabled: Option<f64>,
    pub save_age: Option<f64>,
    pub unsaved_changes: Option<f64>,
    pub eviction_unsafe: Option<f64>,
    pub loading: Option<f64>,
    pub commands: Option<f64>,
    pub connections: Option<f64>,
    pub connections_rejected: Option<f64>,
    pub keyspace_hits: Option<f64>,
    pub keyspace_misses: Option<f64>,
    pub evicted_keys: Option<f64>,
    pub expired_keys: Option<f64>,
    pub cpu: Option<f64>,
    pub input_bytes: Option<f64>,
    pub output_bytes: Option<f64>,
}

impl ServerFigures {
    /// Takes one look. All that is asked for is in the sections that `INFO` gives by itself; several by name are an
    /// error before Redis 7.
    pub(crate) async fn take(connection: &mut Connection) -> Result<Self, WireError> {
        let mut commands = Commands::new();
        commands.cmd("INFO");
        let asked = Instant::now();
        let answer = connection.one(commands).await?;
        let round_trip = asked.elapsed();
        Self::read(answer, round_trip)
    }

    /// Any text gives figures, if only unknown ones.
    pub(super) fn read(answer: Value, round_trip: Duration) -> Result<Self, WireError> {
        let info = &Info::read(answer)?;
        Ok(Self {
            version: info.word(&["valkey_version", "redis_version"]),
            mode: info.word(&["redis_mode", "server_mode"]),
            role: info.word(&["role"]),
            round_trip,
            uptime: info.number("uptime_in_seconds"),
            memory_used: info.number("used_memory"),
            memory_peak: info.number("used_memory_peak"),
            memory_max: info.number("maxmemory"),
            memory_resident: info.number("used_memory_rss"),
            clients_connected: info.number("connected_clients"),
            clients_blocked: info.number("blocked_clients"),
            clients_max: info.number("maxclients"),
            replicas: info.number("connected_slaves"),
            persistence_failing: persistence_failing(info),
            aof_enabled: info.number("aof_enabled"),
            save_age: save_age(info),
            unsaved_changes: info.number("rdb_changes_since_last_save"),
            eviction_unsafe: info
                .get("maxmemory_policy")
                .map(|policy| flag(may_evict_streams(policy))),
            loading: info.number("loading"),
            commands: info.number("total_commands_processed"),
            connections: info.number("total_connections_received"),
            connections_rejected: info.number("rejected_connections"),
            keyspace_hits: info.number("keyspace_hits"),
            keyspace_misses: info.number("keyspace_misses"),
            evicted_keys: info.number("evicted_keys"),
            expired_keys: info.number("expired_keys"),
            cpu: cpu(info),
            input_bytes: info.number("total_net_input_bytes"),
            output_bytes: info.number("total_net_output_bytes"),
        })
    }
}

/// Whether the last snapshot could not be written, or with the append-only file on, the last write or rewrite of that.
/// What the file's last write did before it was turned off is of no matter any more.
fn persistence_failing(info: &Info) -> Option<f64> {
    let aof = info.number("aof_enabled") == Some(1.0);
    let written = ["aof_last_write_status", "aof_last_bgrewrite_status"];
    let failed = [info.failed("rdb_last_bgsave_status")]
        .into_iter()
        .chain(written.map(|name| info.failed(name).filter(|_| aof)));
    failed.flatten().reduce(|one, other| one || other).map(flag)
}

/// On the server's own clock, which the time of the save is on.
fn save_age(info: &Info) -> Option<f64> {
    let now = info.number("server_time_usec")? / 1e6;
    Some((now - info.number("rdb_last_save_time")?).max(0.0))
}

/// Of its own threads, in user and system mode; what it forks to save is not among it.
fn cpu(info: &Info) -> Option<f64> {
    let sum = info.number("used_cpu_user")? + info.number("used_cpu_sys")?;
    sum.is_finite().then_some(sum)
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> ServerFigures {
        let answer = Value::Text(text.to_owned().into());
        ServerFigures::read(answer, Duration::ZERO).expect("a text")
    }

    #[test]
    fn what_a_server_does_not_say_is_not_made_up() {
        let nothing = figures("");
        assert_eq!(
            [&nothing.version, &nothing.mode, &nothing.role],
            ["unknown"; 3]
        );
        for figure in [
            nothing.memory_used,
            nothing.persistence_failing,
            nothing.save_age,
            nothing.eviction_unsafe,
            nothing.cpu,
        ] {
            assert_eq!(figure, None);
        }
        assert_eq!(figures("used_cpu_user:1.5").cpu, None);
        assert_eq!(figures("rdb_last_save_time:5").save_age, None);
    }

    #[test]
    fn any_write_that_failed_last_is_failing_persistence() {
        let failing = |text: &str| figures(text).persistence_failing;
        assert_eq!(failing("rdb_last_bgsave_status:ok"), Some(0.0));
        assert_eq!(failing("rdb_last_bgsave_status:err"), Some(1.0));
        for status in ["aof_last_write_status", "aof_last_bgrewrite_status"] {
            let text = format!("{status}:err\r\nrdb_last_bgsave_status:ok\r\n");
            assert_eq!(failing(&format!("aof_enabled:1\r\n{text}")), Some(1.0));
            assert_eq!(failing(&format!("aof_enabled:0\r\n{text}")), Some(0.0));
        }
        assert_eq!(failing("aof_last_write_status:err"), None);
    }

    #[test]
    fn only_a_policy_that_takes_any_key_may_take_the_streams() {
        for (policy, may) in [
            ("noeviction", 0.0),
            ("volatile-lru", 0.0),
            ("allkeys-lfu", 1.0),
        ] {
            let seen = figures(&format!("maxmemory_policy:{policy}\r\n"));
            assert_eq!(seen.eviction_unsafe, Some(may), "{policy}");
        }
    }

    #[test]
    fn the_age_of_a_save_is_never_negative() {
        let text = "server_time_usec:1700000010500000\r\nrdb_last_save_time:";
        assert_eq!(figures(&format!("{text}1700000000")).save_age, Some(10.5));
        assert_eq!(figures(&format!("{text}1700000011")).save_age, Some(0.0));
    }

    #[test]
    fn sums_stay_finite() {
        let most = f64::MAX;
        assert_eq!(
            figures(&format!("used_cpu_user:{most}\r\nused_cpu_sys:{most}\r\n")).cpu,
            None
        );
    }
}

use proptest::prelude::*;

use super::*;
use crate::wire::foreign_figures;

const INFO: &str = "# Server\r\nredis_version:8.6.3\r\nredis_mode:standalone\r\nuptime_in_seconds:60\r\n\
                    # Memory\r\nused_memory:700000\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n\
                    # Stats\r\nkeyspace_hits:12\r\nrole:master\r\n";

fn registered() -> (Registry, ServerMetrics) {
    let registry = Registry::new();
    let metrics = ServerMetrics::register(&registry).expect("new");
    (registry, metrics)
}

/// The lines of all samples.
fn shown(registry: &Registry) -> Vec<String> {
    let text = common::metrics::encode(registry).expect("text");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(str::to_owned).collect()
}

#[test]
fn nothing_is_shown_before_the_first_look() {
    let (registry, _metrics) = registered();
    assert_eq!(shown(&registry), Vec::<String>::new());
}

#[test]
fn what_the_server_said_is_shown_and_nothing_else() {
    let (registry, metrics) = registered();
    metrics.set(foreign_figures(INFO.as_bytes()));
    assert_eq!(
        shown(&registry),
        [
            "redis_server_eviction_unsafe 1",
            r#"redis_server_info{mode="standalone",role="master",version="8.6.3"} 1"#,
            "redis_server_keyspace_hits_total 12",
            "redis_server_memory_max_bytes 0",
            "redis_server_memory_used_bytes 700000",
            "redis_server_round_trip_seconds 0",
            "redis_server_uptime_seconds 60",
        ]
    );
    // It restarted: the totals begin anew, and there is one server still.
    metrics.set(foreign_figures(
        b"redis_version:8.6.4\r\nkeyspace_hits:2\r\n",
    ));
    assert_eq!(
        shown(&registry),
        [
            r#"redis_server_info{mode="unknown",role="unknown",version="8.6.4"} 1"#,
            "redis_server_keyspace_hits_total 2",
            "redis_server_round_trip_seconds 0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_old_look_is_shown_no_more() {
    let (registry, metrics) = registered();
    metrics.set(foreign_figures(INFO.as_bytes()));
    tokio::time::advance(LIFETIME - Duration::from_millis(1)).await;
    assert_eq!(shown(&registry).len(), 7);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(shown(&registry), Vec::<String>::new());
    metrics.set(foreign_figures(INFO.as_bytes()));
    assert_eq!(shown(&registry).len(), 7);
}

#[test]
fn a_registry_takes_the_figures_of_one_server() {
    let (registry, _metrics) = registered();
    assert!(ServerMetrics::register(&registry).is_err());
}

#[test]
fn totals_are_counters_and_the_rest_is_not() {
    let mut names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
    for family in FAMILIES {
        let total = family.name.ends_with("_total");
        assert_eq!(family.kind == Kind::Counter, total, "{}", family.name);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FAMILIES.len());
}

proptest! {
    #[test]
    fn any_text_can_be_shown(lines in prop::collection::vec(any_line(), 0..40)) {
        let (registry, metrics) = registered();
        metrics.set(foreign_figures(lines.concat().as_bytes()));
        for sample in shown(&registry) {
            prop_assert!(sample.starts_with("redis_server_"), "{}", sample);
        }
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "redis_version",
        "role",
        "used_memory",
        "total_commands_processed",
        "used_cpu_user",
        "used_cpu_sys",
        "server_time_usec",
        "rdb_last_save_time",
        "rdb_last_bgsave_status",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\\PC{0,40}",
    ];
    (name, value).prop_map(|(name, value)| format!("{name}:{value}\r\n"))
}

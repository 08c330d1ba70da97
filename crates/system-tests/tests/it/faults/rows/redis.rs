//! Faults of Redis and of what it keeps.

use super::{Row, row};

pub(super) const ROWS: [Row; 20] = [
    row(
        8,
        "Redis is killed and started again with its data",
        &[
            "system-tests::redis_restarts::killed_and_started_again_with_its_log",
            "system-tests::redis_restarts::restarted_again_and_again",
        ],
    ),
    row(
        9,
        "Redis loses the end of its log with the power",
        &["system-tests::faults::power::the_end_of_the_log_is_lost"],
    ),
    row(
        10,
        "Redis is started again empty",
        &[
            "system-tests::redis_restarts::killed_and_started_again_empty",
            "streams::faults::away::redis_comes_back_empty",
        ],
    ),
    row(
        11,
        "FLUSHALL",
        &[
            "system-tests::redis_restarts::flushed",
            "streams::faults::lost::everything_is_flushed",
        ],
    ),
    row(
        12,
        "XGROUP DESTROY",
        &[
            "system-tests::redis_restarts::group_destroyed",
            "streams::faults::lost::the_group_is_destroyed_and_no_entry_is_skipped",
            "streams::faults::lost::what_runs_while_the_group_is_lost_runs_once_here",
        ],
    ),
    row(
        13,
        "the response stream is deleted",
        &[
            "system-tests::redis_restarts::response_stream_deleted",
            "streams::faults::lost::the_reply_stream_begins_anew_with_smaller_ids",
        ],
    ),
    row(
        14,
        "a key of another type",
        &[
            "system-tests::redis_refuses::key_of_another_type",
            "streams::faults::refused::the_reply_stream_is_something_else",
        ],
    ),
    row(
        15,
        "Redis stands still",
        &[
            "system-tests::redis_restarts::stands_still",
            "streams::faults::away::work_outlasts_a_redis_that_is_stopped_for_longer_than_a_lease",
        ],
    ),
    row(
        16,
        "commands are paused, all or those that write",
        &[
            "system-tests::redis_restarts::paused",
            "system-tests::redis_restarts::writes_are_paused",
        ],
    ),
    row(
        17,
        "all connections are killed",
        &[
            "system-tests::redis_restarts::connections_killed",
            "system-tests::faults::herd::connections_that_are_killed_come_back_one_by_one",
        ],
    ),
    row(
        23,
        "a failover: a replica takes over from its primary",
        &[
            "system-tests::failover::the_primary_is_killed",
            "system-tests::failover::a_failover_is_asked_for",
            "system-tests::redis_refuses::made_a_replica",
            "streams::faults::failover::a_replica_takes_over",
            "streams::faults::failover::all_connections_follow_the_first_to_another_server",
            "streams::sentinel::the_primary_is_killed",
            "streams::sentinel::a_failover_is_asked_for",
        ],
    ),
    row(
        24,
        "split brain: what the old primary took is lost",
        &[
            "system-tests::failover::split_brain",
            "system-tests::failover::split_brain_with_min_replicas",
            "system-tests::redis_refuses::too_few_replicas",
            "streams::faults::refused::too_few_replicas_are_there",
            "streams::sentinel::what_only_the_old_primary_had_is_lost",
            "streams::sentinel::an_old_primary_is_left_while_it_can_be_reached",
        ],
    ),
    row(
        26,
        "Redis is out of memory",
        &[
            "system-tests::redis_refuses::out_of_memory",
            "streams::faults::refused::work_goes_on_without_memory_and_is_answered",
        ],
    ),
    row(
        27,
        "a policy that may evict the streams",
        &["system-tests::redis_refuses::a_dangerous_eviction_policy_is_shown"],
    ),
    row(
        28,
        "Redis cannot save, or its disk is full",
        &[
            "system-tests::redis_refuses::cannot_persist",
            "system-tests::faults::mounts::the_disk_of_redis_is_full",
        ],
    ),
    row(
        29,
        "pending requests are trimmed",
        &["system-tests::faults::entries::trimmed_while_it_is_worked_on"],
    ),
    row(
        41,
        "a reply is trimmed before it is read",
        &["system-tests::faults::entries::a_reply_is_trimmed_before_it_is_read"],
    ),
    row(
        44,
        "Redis's clock is set",
        &[
            "system-tests::faults::clocks::the_clock_of_redis_is_set_back",
            "system-tests::faults::clocks::the_clock_of_redis_is_set_ahead",
            "streams::foreign::streams_that_are_ahead_of_the_clock_serve_on",
        ],
    ),
    row(
        50,
        "credentials, rights or certificates are refused",
        &[
            "system-tests::redis_refuses::credentials_refused",
            "system-tests::redis_refuses::rights_withdrawn",
            "streams::tls::an_authority_that_is_not_trusted_is_refused",
            "streams::tls::a_certificate_that_has_expired_or_is_another_hosts_is_refused",
            "streams::tls::a_client_certificate_that_is_missing_or_a_strangers_is_refused",
        ],
    ),
    row(
        52,
        "Redis restarts under hundreds of waiting callers",
        &["system-tests::faults::herd::redis_restarts_under_five_hundred_waiting_callers"],
    ),
];

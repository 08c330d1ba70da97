//! Faults of the line between the services and Redis.

use super::{Row, row};

pub(super) const ROWS: [Row; 8] = [
    row(
        18,
        "connections are reset, also in the middle of a command",
        &[
            "system-tests::network::reset",
            "system-tests::faults::line::connections_break_in_the_middle_of_a_command",
            "streams::faults::away::an_unclear_write_is_repeated_within_the_budget_and_answered_once",
        ],
    ),
    row(
        19,
        "nothing gets through and nobody says so, both ways or one",
        &[
            "system-tests::network::blackhole",
            "system-tests::faults::line::answers_of_redis_get_lost",
            "system-tests::faults::line::commands_get_lost",
        ],
    ),
    row(
        20,
        "latency and jitter",
        &["system-tests::faults::line::a_long_way_costs_time_and_nothing_else"],
    ),
    row(
        21,
        "little bandwidth, single bytes",
        &[
            "system-tests::faults::line::a_narrow_way_delivers_every_body_whole",
            "streams::slow_link::a_worker_takes_large_requests_bit_by_bit",
            "streams::slow_link::a_client_reads_large_replies_bit_by_bit",
        ],
    ),
    row(
        22,
        "garbage instead of RESP",
        &["system-tests::faults::line::garbage_instead_of_replies"],
    ),
    row(
        25,
        "replies are read from a replica that fell behind",
        &[
            "system-tests::faults::line::replies_are_not_read_from_a_replica_that_fell_behind",
            "system-tests::failover::a_stale_replica_is_refused",
        ],
    ),
    row(
        42,
        "the reader of replies reconnects",
        &["system-tests::faults::entries::no_reply_is_missed_while_the_reader_is_away"],
    ),
    row(
        48,
        "Redis's name leads nowhere, or elsewhere",
        &["system-tests::faults::mounts::the_name_of_redis_moves_to_another_address"],
    ),
];

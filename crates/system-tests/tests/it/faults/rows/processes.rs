//! Faults of processes, and of what they are given to do.

use super::{Row, row};

pub(super) const ROWS: [Row; 17] = [
    row(
        1,
        "a proxy is killed in the middle of its work",
        &[
            "system-tests::crashes::a_killed_proxy_loses_no_request",
            "system-tests::crashes::the_work_of_a_proxy_that_never_comes_back_is_done",
            "streams::leases::the_work_of_a_dead_worker_is_taken_over",
        ],
    ),
    row(
        2,
        "a proxy is told to leave",
        &[
            "system-tests::leaving::proxies_leave_under_load",
            "system-tests::leaving::work_beyond_the_drain_timeout_is_handed_back",
            "streams::drain::an_idle_worker_leaves_at_once_and_leaves_nothing_behind",
        ],
    ),
    row(
        3,
        "a proxy is told to leave and killed at the end of its grace",
        &["system-tests::faults::processes::told_to_leave_and_killed_at_the_end_of_its_grace"],
    ),
    row(
        4,
        "a proxy stands still for longer than its lease, then goes on",
        &[
            "system-tests::crashes::a_zombie_does_no_harm",
            "system-tests::crashes::a_zombie_does_not_start_what_is_no_longer_its_own",
        ],
    ),
    row(
        5,
        "all proxies are gone",
        &[
            "system-tests::refusals::no_reply_by_the_deadline_is_504",
            "system-tests::crashes::the_work_of_a_proxy_that_never_comes_back_is_done",
            "streams::admission::while_nobody_is_known_to_work_only_a_quota_is_let_in",
            "streams::deadlines::expired_work_is_never_started",
        ],
    ),
    row(
        6,
        "an ingress is killed while callers wait",
        &["system-tests::crashes::a_killed_ingress_takes_only_its_own_callers_along"],
    ),
    row(
        7,
        "an ingress is told to leave under load",
        &[
            "system-tests::leaving::an_ingress_leaves_under_load",
            "system-tests::leaving::a_rolling_restart_fails_no_request",
            "service::drain::what_is_in_flight_is_answered_and_told_that_it_was_the_last",
        ],
    ),
    row(
        30,
        "somebody takes requests and never answers",
        &["system-tests::faults::entries::taken_by_somebody_who_never_answers"],
    ),
    row(
        31,
        "dead consumers pile up",
        &[
            "system-tests::faults::processes::twenty_proxies_that_come_and_go_leave_no_more_consumers_than_were_killed",
            "system-tests::faults::processes::the_consumers_of_a_hundred_killed_proxies_are_deleted",
        ],
    ),
    row(
        32,
        "a request that ends every process that takes it",
        &[
            "system-tests::poison::a_request_that_crashes_proxies_becomes_a_dead_letter",
            "system-tests::poison::who_is_in_the_same_proxy_as_poison_is_served",
            "system-tests::poison::poison_under_load_costs_others_only_time",
        ],
    ),
    row(
        33,
        "a request that panics its terminal",
        &["system-tests::poison::a_panic_costs_one_answer_and_no_terminal"],
    ),
    row(
        34,
        "entries nobody can decode",
        &[
            "system-tests::poison::undecodable_entries_become_dead_letters",
            "streams::dead_letters::what_cannot_be_understood_is_set_aside_and_stops_nothing",
        ],
    ),
    row(
        38,
        "callers hang up",
        &[
            "system-tests::disconnects::ten_thousand_disconnecting_callers_leave_nothing_behind",
            "system-tests::disconnects::who_waits_behind_a_caller_that_left_is_served",
            "streams::deadlines::a_caller_that_leaves_takes_its_request_back",
        ],
    ),
    row(
        39,
        "a request is worked on by two",
        &[
            "system-tests::faults::entries::worked_on_by_two_at_the_same_time",
            "streams::leases::work_that_takes_twenty_leases_runs_once",
        ],
    ),
    row(
        40,
        "second, unknown and late replies",
        &[
            "system-tests::poison::forged_replies_are_counted_and_dropped",
            "streams::deadlines::a_reply_whose_caller_left_is_counted_as_late",
        ],
    ),
    row(
        49,
        "Redis is not there at the start",
        &[
            "system-tests::start_order::redis_last",
            "system-tests::start_order::proxy_first",
            "system-tests::start_order::ingress_first",
            "ingress::process::it_starts_before_redis_and_leaves_on_a_signal",
        ],
    ),
    row(
        51,
        "two versions at once",
        &[
            "system-tests::faults::versions::a_newer_ingress_is_served_by_todays_proxy",
            "system-tests::faults::versions::a_newer_proxy_answers_todays_ingress",
        ],
    ),
];

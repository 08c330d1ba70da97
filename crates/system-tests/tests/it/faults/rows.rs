//! The table of faults.

/// A fault.
pub(super) struct Row {
    pub(super) number: u8,
    pub(super) fault: &'static str,
    /// The tests that show what becomes of it, with their crates.
    pub(super) held_by: &'static [&'static str],
    /// What is not tested, since it needs what does not exist yet; empty where nothing waits.
    pub(super) waits: &'static str,
}

const fn row(number: u8, fault: &'static str, held_by: &'static [&'static str]) -> Row {
    Row {
        number,
        fault,
        held_by,
        waits: "",
    }
}

impl Row {
    const fn waits(mut self, for_what: &'static str) -> Self {
        self.waits = for_what;
        self
    }
}

/// Every row.
pub(super) const ROWS: [Row; 54] = [
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
            "system-tests::faults::line::writes_are_paused",
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
        25,
        "replies are read from a replica that fell behind",
        &[
            "system-tests::faults::line::replies_are_not_read_from_a_replica_that_fell_behind",
            "system-tests::failover::a_stale_replica_is_refused",
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
        30,
        "somebody takes requests and never answers",
        &["system-tests::faults::entries::taken_by_somebody_who_never_answers"],
    )
    .waits("the alert on it: there are no alerting rules yet"),
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
        35,
        "the provider never answers",
        &[
            "system-tests::poison::a_terminal_that_hangs_is_cut_at_the_deadline",
            "proxy::open_meteo::an_answer_that_never_comes_is_given_up_by_each_attempt",
        ],
    ),
    row(
        36,
        "the provider is many times slower",
        &["system-tests::faults::provider::many_times_slower"],
    ),
    row(
        37,
        "the provider fails, resets, drips, sends garbage or without end",
        &[
            "system-tests::faults::provider::failing_in_every_way",
            "proxy::open_meteo::what_passes_is_retried",
            "proxy::open_meteo::garbage_is_refused_and_not_asked_for_again",
            "proxy::open_meteo::an_endless_answer_is_cut_off",
            "proxy::open_meteo::a_limit_on_requests_is_waited_for",
            "proxy::open_meteo::a_provider_that_keeps_failing_is_left_alone_until_it_is_well_again",
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
        41,
        "a reply is trimmed before it is read",
        &["system-tests::faults::entries::a_reply_is_trimmed_before_it_is_read"],
    ),
    row(
        42,
        "the reader of replies reconnects",
        &["system-tests::faults::entries::no_reply_is_missed_while_the_reader_is_away"],
    ),
    row(
        43,
        "the clocks of services are set",
        &["system-tests::faults::clocks::the_clocks_of_services_are_set"],
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
        45,
        "descriptors run out",
        &[
            "system-tests::faults::limits::descriptors_run_out",
            "ingress::process::when_descriptors_run_out_it_waits_and_goes_on",
        ],
    ),
    row(
        46,
        "memory is short",
        &["system-tests::faults::limits::memory_is_short"],
    ),
    row(
        47,
        "the processor is somebody else's",
        &[
            "system-tests::faults::limits::the_processor_is_somebody_elses",
            "streams::leases::a_handler_that_hogs_its_runtime_keeps_its_lease",
        ],
    ),
    row(
        48,
        "Redis's name leads nowhere, or elsewhere",
        &["system-tests::faults::mounts::the_name_of_redis_moves_to_another_address"],
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
        51,
        "two versions at once",
        &[
            "system-tests::faults::versions::a_newer_ingress_is_served_by_todays_proxy",
            "system-tests::faults::versions::a_newer_proxy_answers_todays_ingress",
        ],
    ),
    row(
        52,
        "Redis restarts under hundreds of waiting callers",
        &["system-tests::faults::herd::redis_restarts_under_five_hundred_waiting_callers"],
    ),
    row(
        53,
        "whoever scrapes metrics hangs",
        &["system-tests::faults::watchers::scrapers_that_hang"],
    )
    .waits("a collector of traces that hangs: traces are not exported yet"),
    row(
        54,
        "pipes for logs are full or closed",
        &[
            "system-tests::faults::watchers::pipes_for_logs_that_are_full_and_then_closed",
            "common::telemetry::a_pipe_that_nobody_reads_holds_nothing_up",
            "common::telemetry::a_closed_pipe_ends_nothing",
        ],
    ),
];

//! Faults of the provider, of the machine, and of who watches.

use super::{Row, row};

pub(super) const ROWS: [Row; 9] = [
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
        43,
        "the clocks of services are set",
        &["system-tests::faults::clocks::the_clocks_of_services_are_set"],
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
        53,
        "whoever scrapes metrics or collects traces hangs",
        &[
            "system-tests::faults::watchers::scrapers_that_hang",
            "system-tests::traces::a_collector_that_is_no_good_costs_spans_alone",
            "ingress::process::spans_are_sent_on_leaving_and_waited_for_no_longer_than_that",
        ],
    ),
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

//! Bad input, by number: what callers send, what whoever may write to the streams puts there, and what settings hold,
//! wrong by accident or on purpose. [`ROWS`] says which tests hold each row.

mod bodies;
mod entries;
mod heads;
mod http2;
mod pipelining;
mod siege;
mod slow;
mod smuggling;
mod text;

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, ensure};

/// A kind of bad input.
struct Row {
    number: u8,
    input: &'static str,
    /// What becomes of it.
    answer: &'static str,
    /// The tests of this binary that show it; none where the row waits for a feature.
    held_by: &'static [&'static str],
}

const fn row(
    number: u8,
    input: &'static str,
    answer: &'static str,
    held_by: &'static [&'static str],
) -> Row {
    Row {
        number,
        input,
        answer,
        held_by,
    }
}

const NO_JSON: &str = "answers::what_is_no_json_is_400";
const FIELDS: &str = "answers::a_field_that_breaks_a_rule_is_422_and_named";
const ROUTES: &str = "answers::a_wrong_method_is_405_and_an_unknown_path_404";
const TOO_LARGE: &str = "answers_raw::a_body_too_large_is_413_however_it_is_framed";
const SLOW: &str = "hostile::slow::slow_callers_by_the_thousand_hold_up_nobody";

/// Every row. Where it differs from the answers that the ingress documents, those count.
const ROWS: [Row; 31] = [
    row(1, "an empty body", "400", &[NO_JSON]),
    row(
        2,
        "broken JSON",
        "400, which says where and repeats nothing",
        &[
            NO_JSON,
            "hostile::bodies::broken_json_says_where_and_repeats_nothing",
        ],
    ),
    row(3, "JSON of another type", "422", &[FIELDS]),
    row(
        4,
        "a field missing; fields nobody knows",
        "422; ignored",
        &[FIELDS],
    ),
    row(5, "an empty city", "422", &[FIELDS]),
    row(
        6,
        "a city that is too long",
        "422, or 413 before it is parsed",
        &[FIELDS, "answers::a_body_over_the_limit_is_413"],
    ),
    row(
        7,
        "a body too large, announced or not, without end",
        "413 and closed, in bounded memory",
        &[
            TOO_LARGE,
            "hostile::bodies::what_never_ends_is_cut_off_in_bounded_memory",
        ],
    ),
    row(
        8,
        "a slow body",
        "408 and closed",
        &["answers_raw::a_slow_body_is_408", SLOW],
    ),
    row(
        9,
        "slow headers",
        "closed",
        &["answers_raw::slow_headers_close_the_connection", SLOW],
    ),
    row(
        10,
        "callers that do not read",
        "closed",
        &[SLOW, "hostile::http2::windows_that_never_open"],
    ),
    row(
        11,
        "no JSON by its type or charset",
        "415",
        &["answers::what_is_not_sent_as_plain_json_is_415"],
    ),
    row(
        12,
        "invalid UTF-8, lone surrogates, control characters",
        "400 or 422, never raw in Redis or a log",
        &[
            NO_JSON,
            FIELDS,
            "hostile::text::nothing_that_callers_send_forges_a_log_line",
            "hostile::text::an_entry_has_one_line_feed_whatever_callers_send",
        ],
    ),
    row(
        13,
        "text of every script and direction",
        "comes back as it went in, not normalised",
        &[
            "main_path::any_text_comes_back_as_it_was_asked",
            "hostile::text::what_looks_alike_is_not_made_alike",
        ],
    ),
    row(14, "a field given twice", "422", &[FIELDS]),
    row(
        15,
        "nesting without end",
        "400",
        &[
            NO_JSON,
            "hostile::bodies::bombs_of_brackets_and_digits_are_400",
        ],
    ),
    row(
        16,
        "numbers beyond all bounds",
        "400",
        &["hostile::bodies::bombs_of_brackets_and_digits_are_400"],
    ),
    row(
        17,
        "too many header fields, long ones, a long target",
        "431 and closed",
        &[
            "answers_raw::a_head_too_large_is_431",
            "hostile::heads::a_head_beyond_all_bounds_is_431",
        ],
    ),
    row(18, "other methods", "405 with Allow", &[ROUTES]),
    row(
        19,
        "other paths",
        "404",
        &[ROUTES, "hostile::heads::paths_that_look_alike_are_404"],
    ),
    row(
        20,
        "requests smuggled inside others",
        "400 and closed, nothing is smuggled",
        &[
            "answers_raw::a_broken_body_or_framing_is_400",
            "hostile::smuggling::ambiguous_framing_is_refused",
            "hostile::smuggling::unusual_framing_hides_no_request",
        ],
    ),
    row(
        21,
        "HTTP/1.0, no Host, absolute targets",
        "served",
        &[
            "answers_raw::unusual_but_valid_requests_are_served",
            "hostile::heads::a_host_is_neither_needed_nor_believed",
        ],
    ),
    row(
        22,
        "a large body announced with Expect",
        "413 without 100",
        &[TOO_LARGE],
    ),
    row(
        23,
        "compressed bodies",
        "415, never unpacked",
        &[
            "answers::what_is_not_sent_as_plain_json_is_415",
            "hostile::bodies::a_compressed_bomb_is_not_unpacked",
        ],
    ),
    row(
        24,
        "floods of HTTP/2 frames",
        "sent away; others are served, in bounded time and memory",
        &[
            "hostile::http2::streams_opened_and_reset",
            "hostile::http2::ten_thousand_streams",
            "hostile::http2::a_head_without_end",
            "hostile::http2::a_head_that_unpacks_to_megabytes",
            "hostile::http2::pings_and_settings",
            "hostile::http2::windows_that_never_open",
            "hostile::http2::empty_data_without_end",
        ],
    ),
    row(
        25,
        "a thousand pipelined requests",
        "answered in order, one at a time",
        &["hostile::pipelining::a_thousand_requests_in_one_write"],
    ),
    row(
        26,
        "Idempotency-Key",
        "waits: there are no idempotency keys yet",
        &[],
    ),
    row(
        27,
        "malformed trace context, bombs of baggage",
        "ignored, carried nowhere",
        &[
            "main_path::malformed_headers_are_ignored",
            "hostile::heads::headers_of_others_are_carried_nowhere",
        ],
    ),
    row(
        28,
        "forged X-Forwarded-For and its kin",
        "ignored; rate limits by it wait until there are some",
        &["hostile::heads::forged_forwarding_changes_nothing"],
    ),
    row(29, "forged tokens", "waits: there are no tokens yet", &[]),
    row(
        30,
        "entries that are no requests, or with wrong deadlines",
        "dead letter, or expired and counted",
        &[
            "poison::undecodable_entries_become_dead_letters",
            "poison::forged_replies_are_counted_and_dropped",
            "hostile::entries::deadlines_from_the_past_the_future_and_nowhere",
            "hostile::entries::entries_of_any_size_and_shape",
        ],
    ),
    row(
        31,
        "bad settings",
        "exit code 2 and one line that names the variable",
        &[
            "settings::a_bad_value_is_one_line_that_names_the_variable",
            "settings::a_contradiction_names_its_variables",
            "settings::a_bad_redis_url_is_not_repeated",
        ],
    ),
];

/// The table and the tests belong together: each row has its number, each test named exists, each test of this room
/// holds a row.
#[test]
fn every_row_is_held_by_tests_that_exist() -> anyhow::Result<()> {
    let listed = Command::new(std::env::current_exe()?)
        .args(["--list", "--format", "terse"])
        .output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let tests: BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let mut held = BTreeSet::from(["hostile::every_row_is_held_by_tests_that_exist"]);
    for (number, row) in (1..).zip(&ROWS) {
        let what = format!("row {}, {}: {}", row.number, row.input, row.answer);
        ensure!(row.number == number, "{what}: not number {number}");
        ensure!(
            !row.held_by.is_empty() || row.answer.starts_with("waits: "),
            "{what}: held by nothing"
        );
        for test in row.held_by {
            tests
                .get(test)
                .with_context(|| format!("{what}: there is no {test}"))?;
            held.insert(test);
        }
    }
    let stray: Vec<_> = tests
        .iter()
        .filter(|test| test.starts_with("hostile::") && !held.contains(*test))
        .collect();
    ensure!(stray.is_empty(), "in no row: {stray:?}");
    Ok(())
}

//! What a person sees who got a setting wrong.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, time::Duration};

use clap::Parser;
use service::settings::{self, Drain, Http, Log, ParseError, Redis, Streams};

/// A program with all groups and one setting of its own.
#[derive(Debug, Parser)]
#[command(name = "test", version, about = "a test")]
struct Settings {
    /// Not zero
    #[arg(long, env = "TEST_TERMINALS", default_value = "5", value_parser = settings::count)]
    terminals: u32,
    /// May hold a key
    #[arg(long, env = "TEST_MIRROR", value_parser = mirror, hide_env_values = true)]
    mirror: Option<String>,
    #[command(flatten)]
    redis: Redis,
    #[command(flatten)]
    streams: Streams,
    #[command(flatten)]
    http: Http,
    #[command(flatten)]
    drain: Drain,
    #[command(flatten)]
    log: Log,
}

fn mirror(text: &str) -> Result<String, String> {
    match text.starts_with("https://") {
        true => Ok(text.into()),
        false => Err("is not an address: https://host/path is expected".into()),
    }
}

fn parse(flags: &[&str]) -> Result<Settings, ParseError> {
    settings::parse_from(
        std::iter::once("test")
            .chain(flags.iter().copied())
            .map(OsString::from),
        |_| Ok(()),
    )
}

fn refused(flags: &[&str]) -> String {
    match parse(flags) {
        Err(ParseError::Invalid(line)) => line,
        other => panic!("{flags:?} gave {other:?}"),
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let settings = parse(&[]).unwrap();
    assert_eq!(settings.terminals, 5);
    assert_eq!(settings.redis.redis_url.reveal(), "redis://127.0.0.1:6379");
    assert_eq!(settings.streams.names().requests, "weather-requests");
    assert_eq!(settings.streams.names().responses, "weather-responses");
    assert_eq!(settings.streams.names().group, "weather-proxies");
    assert_eq!(settings.http.admin_listen, None);
    assert_eq!(settings.http.max_headers, 16 << 10);
    assert_eq!(settings.http.worker_threads, 1);
    assert_eq!(settings.drain.drain_delay, Duration::ZERO);
    assert_eq!(settings.drain.drain_timeout, Duration::from_secs(25));
}

#[test]
fn values_are_humane() {
    let settings = parse(&[
        "--header-timeout",
        "1m 30s",
        "--max-headers=1MB",
        "--drain-delay",
        "0ms",
    ])
    .unwrap();
    assert_eq!(settings.http.header_timeout, Duration::from_secs(90));
    assert_eq!(settings.http.max_headers, 1_000_000);
    assert_eq!(settings.drain.drain_delay, Duration::ZERO);
}

#[test]
fn a_bad_value_is_one_line_that_names_the_variable() {
    let check = |flags: &[&str], expected: &str| assert_eq!(refused(flags), expected, "{flags:?}");
    check(
        &["--drain-timeout", "30"],
        r#"DRAIN_TIMEOUT: "30" is not a duration: add a unit, for example 30s"#,
    );
    check(
        &["--drain-timeout", "soon"],
        r#"DRAIN_TIMEOUT: "soon" is not a duration: a number with a unit is expected, for example 30s or 150ms"#,
    );
    check(
        &["--drain-timeout=-1s"],
        r#"DRAIN_TIMEOUT: "-1s" is not a duration: a number with a unit is expected, for example 30s or 150ms"#,
    );
    check(
        &["--drain-timeout="],
        r#"DRAIN_TIMEOUT: "" is empty: a duration such as 30s or 150ms is expected"#,
    );
    check(
        &["--drain-timeout", "2y"],
        r#"DRAIN_TIMEOUT: "2y" is too long: the longest duration is 365 days"#,
    );
    check(
        &["--header-timeout", "0s"],
        r#"HEADER_TIMEOUT: "0s" is zero: this limit must be longer, for example 1s"#,
    );
    check(
        &["--max-headers", "many"],
        r#"MAX_HEADERS: "many" is not a size in bytes: a number with a unit is expected, for example 16KiB"#,
    );
    check(
        &["--max-headers", "0"],
        r#"MAX_HEADERS: "0" is out of range: a size from 1B to 1GiB is expected"#,
    );
    check(
        &["--terminals", "0"],
        r#"TEST_TERMINALS: "0" is not a whole number from 1 to 4294967295"#,
    );
    check(
        &["--terminals", "4294967296"],
        r#"TEST_TERMINALS: "4294967296" is not a whole number from 1 to 4294967295"#,
    );
    check(
        &["--terminals=-1"],
        r#"TEST_TERMINALS: "-1" is not a whole number from 1 to 4294967295"#,
    );
    check(
        &["--worker-threads", "5000"],
        r#"WORKER_THREADS: "5000" is more than 1024 threads"#,
    );
    check(
        &["--request-stream", " "],
        r#"REQUEST_STREAM: " " is empty: unset it or give it a value"#,
    );
    check(
        &["--redis-url", ""],
        r#"REDIS_URL: "" is empty: unset it or give it a value"#,
    );
    check(
        &["--admin-listen", "here"],
        r#"ADMIN_LISTEN: "here" is not an address: an IP address and a port are expected, for example 127.0.0.1:5009"#,
    );
}

#[test]
fn a_log_setting_is_checked_too() {
    assert_eq!(
        refused(&["--log-format", "xml"]),
        r#"LOG_FORMAT: "xml" is not a log format: must be auto, text or json"#
    );
    let line = refused(&["--rust-log", "streams=loud"]);
    assert!(
        line.starts_with(r#"RUST_LOG: "streams=loud" is not a log filter"#),
        "{line}"
    );
    let log = parse(&[]).unwrap().log;
    assert_eq!(
        (log.rust_log.to_string(), log.log_format.to_string()),
        ("info".into(), "auto".into())
    );
}

#[test]
fn a_value_may_begin_with_a_dash() {
    for flags in [
        ["--drain-timeout", "-1s"].as_slice(),
        &["--drain-timeout=-1s"],
        &[
            "--terminals",
            "7",
            "--drain-timeout",
            "-1s",
            "--max-headers",
            "1KiB",
        ],
    ] {
        assert_eq!(
            refused(flags),
            r#"DRAIN_TIMEOUT: "-1s" is not a duration: a number with a unit is expected, for example 30s or 150ms"#
        );
    }
    assert_eq!(
        refused(&["--terminals", "-5"]),
        r#"TEST_TERMINALS: "-5" is not a whole number from 1 to 4294967295"#
    );
    let settings = parse(&["--redis-password", "-=-", "--terminals", "7"]).unwrap();
    assert_eq!(settings.redis.config().password.as_deref(), Some("-=-"));
    assert_eq!(settings.terminals, 7);
    assert_eq!(
        refused(&["--drain-timeout", "--terminals", "7"]),
        "DRAIN_TIMEOUT: has no value; for example --drain-timeout 25s",
        "a flag is not taken for a value"
    );
}

#[test]
fn what_is_no_setting_is_refused_in_one_line_too() {
    for flags in [["--terminal", "5"].as_slice(), &["--terminal=5"]] {
        assert_eq!(
            refused(flags),
            "--terminal: there is no such flag; --help lists them all"
        );
    }
    assert_eq!(
        refused(&["-1s"]),
        "-1: there is no such flag; --help lists them all"
    );
    for flags in [["5"].as_slice(), &["--", "5"], &["5", "--terminals", "5"]] {
        assert_eq!(
            refused(flags),
            "the first word is no flag: settings are flags and variables, for example --terminals 5"
        );
    }
    for flags in [
        ["--drain-timeout", "1m", "30s"].as_slice(),
        &["--terminals=5", "--drain-timeout=1m", "30s"],
        &["--drain-timeout", "1m", "--", "30s"],
    ] {
        assert_eq!(
            refused(flags),
            "DRAIN_TIMEOUT: more than one word follows its flag: put quotes around a value with spaces, \
             for example --drain-timeout '25s'"
        );
    }
    assert_eq!(
        refused(&["--terminals", "5", "--terminals", "6"]),
        "TEST_TERMINALS: is given more than once"
    );
    assert_eq!(
        refused(&["--terminals"]),
        "TEST_TERMINALS: has no value; for example --terminals 5"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_in_one_line_too() {
    let word = OsString::from_vec(b"--drain-timeout=\xff".to_vec());
    match settings::parse_from::<Settings>(["test".into(), word], |_| Ok(())) {
        Err(ParseError::Invalid(line)) => {
            assert_eq!(line, "a word of the command line is not UTF-8");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_refusal_repeats_what_may_be_a_secret() {
    for flags in [
        ["--redis-password", "two", "hunter2"].as_slice(),
        &["--redis-password=two", "hunter2"],
        &["--redis-url=", "redis://:hunter2@host"],
        &["redis://:hunter2@host"],
        &["--", "hunter2"],
        &["--redis-pasword", "hunter2"],
        &["--redis-pasword=hunter2"],
        &["-phunter2"],
        &["-p=hunter2"],
        &["--redis-password", "hunter2", "--redis-password", "hunter2"],
        &["--mirror", "ftp://host?apikey=hunter2"],
    ] {
        let line = refused(flags);
        assert!(
            !line.contains("hunter2") && line.lines().count() == 1,
            "{line}"
        );
    }
}

#[test]
fn help_and_version_are_shown() {
    for (flag, text) in [
        ("--help", "--request-stream"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        match parse(&[flag]) {
            Err(ParseError::Shown(shown)) => assert!(shown.contains(text), "{shown}"),
            other => panic!("{flag} gave {other:?}"),
        }
    }
}

#[test]
fn secrets_are_not_printed() {
    let settings = parse(&[
        "--redis-password",
        "hunter2",
        "--redis-url",
        "redis://:hunter2@host",
    ])
    .unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(settings.redis.config().password.as_deref(), Some("hunter2"));
}

#[test]
fn the_settings_in_effect_are_printed_without_secrets() {
    let flags = [
        "--redis-url=rediss://user:s3cret@host:1/2?key=s3cret",
        "--redis-password=s3cret://s3cret",
        "--mirror=https://s3cret",
        "--header-timeout=1m 30s",
        "--print-config",
    ];
    let Err(ParseError::Shown(printed)) = parse(&flags) else {
        panic!("not shown");
    };
    for line in [
        "TEST_TERMINALS=5",
        "TEST_MIRROR=[redacted]",
        "REDIS_URL=rediss://[redacted]@host:1/2?[redacted]",
        "REDIS_PASSWORD=[redacted]",
        "# REDIS_PASSWORD_FILE is unset",
        "HEADER_TIMEOUT=\"1m 30s\"",
        "RUST_LOG=info",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    assert!(!printed.contains("s3cret"), "{printed}");
}

#[test]
fn settings_that_do_not_hold_are_refused_and_not_printed() {
    let flags = ["test", "--print-config"].map(OsString::from);
    let refused = settings::parse_from::<Settings>(flags, |_| Err("LEASE: is wrong".into()));
    assert!(matches!(refused, Err(ParseError::Invalid(line)) if line == "LEASE: is wrong"));
    let bad = self::refused(&["--print-config", "--terminals=0"]);
    assert!(bad.starts_with("TEST_TERMINALS: "), "{bad}");
}

#[test]
fn a_certificate_needs_its_key_and_a_connection_that_is_encrypted() {
    let check = |flags: &[&str]| parse(flags).unwrap().redis.check();
    assert_eq!(check(&[]), Ok(()));
    let both = ["--redis-cert-file=a.pem", "--redis-key-file=a.key"];
    assert_eq!(check(&both), Ok(()));
    for one in both {
        let refused = check(&[one]).unwrap_err();
        assert!(refused.starts_with("REDIS_CERT_FILE, REDIS_KEY_FILE: "));
    }
    for (flags, word) in [
        (&["--redis-ca-file=ca.pem"][..], "encrypted"),
        (&both, "encrypted"),
        (&["--redis-url=rediss://h/#insecure"], "#insecure"),
    ] {
        let redis = parse(flags).unwrap().redis.config();
        let names = streams::StreamNames::for_service("test");
        let config = streams::ClientConfig {
            redis,
            ..streams::ClientConfig::new("", names)
        };
        let refused = settings::refused_by_engine(&config.validate().unwrap_err());
        assert!(
            refused.starts_with("REDIS_URL: ") && refused.contains(word),
            "{refused}"
        );
    }
}

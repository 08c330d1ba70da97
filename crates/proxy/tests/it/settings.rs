//! The real binary and settings that it must refuse: exit code 2, one line that names the variable, and
//! nothing else.

use std::process::{Command, Output};

fn proxy(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proxy"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Runs the binary with these variables and returns its one line.
fn refused(environment: &[(&str, &str)]) -> String {
    let output = proxy(&[], environment);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{environment:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{environment:?}: {line}");
    line
}

#[test]
fn a_bad_value_is_one_line_that_names_its_variable() {
    for (variable, value) in [
        ("LISTEN", "localhost"),
        ("TERMINALS", "0"),
        ("TERMINALS", "many"),
        ("LEASE", "10"),
        ("LEASE", "50ms"),
        ("MAX_DELIVERIES", "0"),
        ("PROCESSING_TIME", "150"),
        ("PROCESSING_TIME", "-1s"),
        ("WEATHER_PROVIDER", "oracle"),
        ("SIMULATED_FAILURE_RATE", "1.1"),
        ("SIMULATED_FAILURE_RATE", "NaN"),
        ("SIMULATED_SLOW_RATE", "-0.1"),
        ("SIMULATED_SLOW_TIME", "slow"),
        ("SIMULATED_FAULTS", "maybe"),
        ("OPEN_METEO_GEOCODING_URL", "geocoding-api.open-meteo.com"),
        ("OPEN_METEO_FORECAST_URL", "ftp://api.open-meteo.com/"),
        ("OPEN_METEO_TIMEOUT", "0s"),
        ("OPEN_METEO_CONNECT_TIMEOUT", ""),
        ("OPEN_METEO_ATTEMPTS", "0"),
        ("OPEN_METEO_CA_FILE", ""),
        ("DRAIN_DELAY", "1 fortnight"),
        ("REDIS_URL", "not a url"),
        ("REQUEST_STREAM", "  "),
        ("RUST_LOG", "a=b=c"),
    ] {
        let line = refused(&[(variable, value)]);
        assert!(line.starts_with(variable), "{variable}={value}: {line}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    for (environment, named) in [
        (
            &[
                ("SIMULATED_FAULTS", "true"),
                ("WEATHER_PROVIDER", "open-meteo"),
            ],
            "SIMULATED_FAULTS",
        ),
        (
            &[
                ("SIMULATED_SLOW_RATE", "0.5"),
                ("SIMULATED_SLOW_TIME", "150ms"),
            ],
            "SIMULATED_SLOW_TIME",
        ),
        (
            &[
                ("OPEN_METEO_TIMEOUT", "1s"),
                ("OPEN_METEO_CONNECT_TIMEOUT", "2s"),
            ],
            "OPEN_METEO_CONNECT_TIMEOUT",
        ),
        (
            &[("REQUEST_STREAM", "same"), ("RESPONSE_STREAM", "same")],
            "RESPONSE_STREAM",
        ),
        (
            &[
                ("WEATHER_PROVIDER", "open-meteo"),
                ("OPEN_METEO_CA_FILE", "/nowhere/ca.pem"),
            ],
            "OPEN_METEO_CA_FILE",
        ),
    ] {
        // Port 0: what the engine refuses is found out after the address was bound.
        let environment = [environment.as_slice(), &[("LISTEN", "127.0.0.1:0")]].concat();
        let line = refused(&environment);
        assert!(line.contains(named), "{environment:?}: {line}");
    }
}

#[test]
fn every_setting_is_a_flag_too_and_the_flag_wins() {
    let output = proxy(&["--terminals", "none"], &[("TERMINALS", "5")]);
    assert_eq!(output.status.code(), Some(2));
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(line.starts_with("TERMINALS: \"none\""), "{line}");
}

#[test]
fn help_lists_the_settings_without_showing_secrets() {
    let secret = [
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_URL", "redis://:hunter2@host"),
    ];
    let output = proxy(&["--help"], &secret);
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for variable in [
        "TERMINALS",
        "PROCESSING_TIME",
        "WEATHER_PROVIDER",
        "LEASE",
        "DRAIN_DELAY",
        "REDIS_URL",
    ] {
        assert!(help.contains(variable), "{variable} is not in {help}");
    }
    assert!(!help.contains("hunter2"), "{help}");
}

#[test]
fn an_address_that_is_taken_is_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = proxy(&[], &[("LISTEN", &address)]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), line.lines().count()),
        (Some(1), 1),
        "{line}"
    );
    assert!(line.contains("LISTEN") && line.contains(&address), "{line}");
}

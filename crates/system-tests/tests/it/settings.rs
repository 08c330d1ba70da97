//! A bad setting ends either program before it does anything, with exit code 2 and one line that names the variable.

use std::{ffi::OsStr, net::TcpListener, os::unix::ffi::OsStrExt};

use testbed::{Process, binary};

use crate::system::{Kind, LONG};

/// What a program says to these variables before it ends, and the code it ends with.
async fn refused(kind: Kind, variables: &[(&str, &str)]) -> anyhow::Result<(i32, String)> {
    let program = binary(kind.program())?;
    let process = Process::builder(kind.program(), program)
        .env("LISTEN", "127.0.0.1:0")
        .env("LOG_FORMAT", "json")
        .envs(variables.iter().copied())
        .spawn()?;
    let status = process.wait_exit(LONG).await?;
    Ok((status.code().unwrap_or(-1), process.log()))
}

async fn one_line_names(kind: Kind, variable: &str, value: &str) -> anyhow::Result<()> {
    let (code, said) = refused(kind, &[(variable, value)]).await?;
    let what = format!("{} with {variable}={value:?} says {said:?}", kind.program());
    assert_eq!(code, 2, "{what}");
    assert_eq!(said.lines().count(), 1, "{what}");
    assert!(said.starts_with(&format!("{variable}: ")), "{what}");
    Ok(())
}

#[tokio::test]
async fn a_bad_value_is_one_line_that_names_the_variable() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        for (variable, value) in [
            ("LISTEN", "localhost"),
            ("LISTEN", "127.0.0.1:70000"),
            ("ADMIN_LISTEN", "here"),
            ("REDIS_URL", ""),
            ("REDIS_URL", "http://127.0.0.1"),
            ("DRAIN_TIMEOUT", "25"),
            ("DRAIN_DELAY", "-1s"),
            ("HEADER_TIMEOUT", "0s"),
            ("MAX_HEADERS", "none"),
            ("MAX_HEADERS", "0"),
            ("MAX_CONNECTIONS", "4294967296"),
            ("WORKER_THREADS", "0"),
            ("REQUEST_STREAM", ""),
            ("LOG_FORMAT", "xml"),
        ] {
            one_line_names(kind, variable, value).await?;
        }
    }
    for (variable, value) in [
        ("REQUEST_TIMEOUT", "30"),
        ("REQUEST_TIMEOUT", "0s"),
        ("MAX_BODY", "none"),
        ("MAX_BODY", "0"),
        ("MAX_IN_FLIGHT", "0"),
        ("MAX_OUTSTANDING", "many"),
        ("REPLY_STREAM", "both"),
    ] {
        one_line_names(Kind::Ingress, variable, value).await?;
    }
    for (variable, value) in [
        ("TERMINALS", "0"),
        ("TERMINALS", "-5"),
        ("PROCESSING_TIME", "150"),
        ("LEASE", "1ms"),
        ("MAX_DELIVERIES", "0"),
        ("WEATHER_PROVIDER", "oracle"),
        ("SIMULATED_FAILURE_RATE", "2"),
    ] {
        one_line_names(Kind::Proxy, variable, value).await?;
    }
    Ok(())
}

/// The same said by flags, and a word too many.
#[tokio::test]
async fn a_bad_flag_is_one_line_that_names_the_setting_and_shows_how() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        for (flags, name, shown) in [
            (&["--drain-timeout", "-1s"][..], "DRAIN_TIMEOUT", "30s"),
            (&["--drain-timeout=-1s"], "DRAIN_TIMEOUT", "30s"),
            (&["--drain-timeout"], "DRAIN_TIMEOUT", "--drain-timeout 25s"),
            (
                &["--drain-timeout", "1m", "30s"],
                "DRAIN_TIMEOUT",
                "--drain-timeout '25s'",
            ),
            (
                &["--redis-url", "redis://:s3cret@host:x"],
                "REDIS_URL",
                "redis://127.0.0.1:6379",
            ),
            (
                &["--redis-password", "two", "s3cret"],
                "REDIS_PASSWORD",
                "--redis-password 'VALUE'",
            ),
            (&["s3cret"], "the first word", "--listen 127.0.0.1:50"),
        ] {
            let process = Process::builder(kind.program(), binary(kind.program())?)
                .args(flags.iter().copied())
                .env("LISTEN", "127.0.0.1:0");
            let process = process.spawn()?;
            let code = process.wait_exit(LONG).await?.code();
            let said = process.log();
            assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
            assert!(said.starts_with(name) && said.contains(shown), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
    Ok(())
}

/// Bytes that are no text: clap itself does not say where.
#[tokio::test]
async fn a_value_that_is_no_text_names_the_variable() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        for variable in ["DRAIN_TIMEOUT", "REDIS_PASSWORD"] {
            let output = std::process::Command::new(binary(kind.program())?)
                .env_clear()
                .env(variable, OsStr::from_bytes(b"s3cret\xff"))
                .output()?;
            let said = String::from_utf8(output.stderr)?;
            assert_eq!(output.status.code(), Some(2), "{said}");
            let expected = format!("{variable}: the value is not UTF-8; for example --");
            assert!(said.starts_with(&expected), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    Ok(())
}

/// Settings that are well each for itself and contradict each other.
#[tokio::test]
async fn a_contradiction_names_its_variables() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        let same = [
            ("REQUEST_STREAM", "weather"),
            ("RESPONSE_STREAM", "weather"),
        ];
        let (code, said) = refused(kind, &same).await?;
        assert_eq!(code, 2, "{said}");
        let line = said.lines().last().unwrap_or_default();
        assert!(
            line.starts_with("REQUEST_STREAM, RESPONSE_STREAM: "),
            "{said}"
        );
    }
    Ok(())
}

/// A password does not find its way into the line.
#[tokio::test]
async fn a_bad_redis_url_is_not_repeated() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        let url = "redis://user:s3cret@127.0.0.1:notaport";
        let (code, said) = refused(kind, &[("REDIS_URL", url)]).await?;
        assert_eq!(code, 2, "{said}");
        assert_eq!(
            said.trim_end(),
            "REDIS_URL: the value is not the URL of a Redis: redis://, rediss://, unix:// or \
             redis+sentinel://host,host/name is expected, for example redis://127.0.0.1:6379"
        );
    }
    Ok(())
}

/// A port that another program has is one clear line, and nothing is left running.
#[tokio::test]
async fn a_taken_port_is_one_clear_line() -> anyhow::Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for kind in [Kind::Ingress, Kind::Proxy] {
        for variable in ["LISTEN", "ADMIN_LISTEN"] {
            let (code, said) = refused(kind, &[(variable, &address)]).await?;
            assert_eq!(code, 1, "{said}");
            let naming: Vec<_> = said
                .lines()
                .filter(|line| line.contains(&address))
                .collect();
            assert_eq!(naming.len(), 1, "{said}");
            assert!(
                naming[0].contains(variable) && naming[0].contains("in use"),
                "{said}"
            );
        }
    }
    Ok(())
}

/// Help and version are not errors.
#[tokio::test]
async fn help_and_version_end_well() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        for (flag, expected) in [("--help", "REDIS_URL"), ("--version", kind.program())] {
            let process = Process::builder(kind.program(), binary(kind.program())?).arg(flag);
            let process = process.spawn()?;
            assert_eq!(process.wait_exit(LONG).await?.code(), Some(0));
            assert!(
                process.log().contains(expected),
                "{flag}: {}",
                process.log()
            );
        }
    }
    Ok(())
}

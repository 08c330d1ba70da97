//! A secret that a service was given is shown by nothing that the service says or answers, however talkative it is set
//! and whatever goes wrong with it; and what callers ask about is in no log.

use std::fs;
use std::process::Command;

use anyhow::ensure;
use testbed::{Folder, HttpClient, Port, Process, RedisServer, Sentinels, binary, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::callers::{JSON, weather_of};
use crate::system::{Kind, LONG};

const SECRET: &str = "s3cr3t-0f-th3-t3st";

/// Where somebody asks about is nobody else's business.
const CITY: &str = "c1ty-0f-th3-t3st";

/// A service and what it was given.
struct Given {
    kind: Kind,
    environment: Vec<(&'static str, String)>,
    base: String,
    process: Process,
    _port: Port,
}

fn start(kind: Kind, secrets: &[(&'static str, &str)]) -> anyhow::Result<Given> {
    let port = Port::reserve()?;
    let address = format!("127.0.0.1:{}", port.number());
    let mut environment = vec![
        ("LISTEN", address.clone()),
        ("LOG_FORMAT", "json".into()),
        // A caller waits as long where Redis refuses the ingress.
        ("REQUEST_TIMEOUT", "1s".into()),
        // Also what the crates say that we use.
        ("RUST_LOG", "trace".into()),
    ];
    environment.extend(
        secrets
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    let process = Process::builder(kind.program(), binary(kind.program())?)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .spawn()?;
    Ok(Given {
        kind,
        environment,
        base: format!("http://{address}"),
        process,
        _port: port,
    })
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() -> anyhow::Result<()> {
    let folder = Folder::new("secrets")?;
    let file = folder.path().join("password");
    fs::write(&file, format!("{SECRET}\n"))?;
    let file = file.to_str().expect("a path");
    let users = format!("user default off\nuser app on >{SECRET} ~* &* +@all");
    let redis = RedisServer::builder().acl(users).start().await?;
    let (bare, with_secret) = (
        format!("redis://127.0.0.1:{}", redis.port()),
        redis.url_for("app", SECRET),
    );
    let sentinels = Sentinels::builder(&redis).password(SECRET).start().await?;
    let guarded = sentinels.url();
    let elsewhere = format!("{}/?apikey={SECRET}", a_provider_that_fails().await?);

    let user = ("REDIS_USERNAME", "app");
    let from_file: &[_] = &[user, ("REDIS_PASSWORD_FILE", file)];
    let provider: &[_] = &[
        ("WEATHER_PROVIDER", "open-meteo"),
        ("OPEN_METEO_GEOCODING_URL", &*elsewhere),
        ("OPEN_METEO_FORECAST_URL", &*elsewhere),
        ("OPEN_METEO_ATTEMPTS", "1"),
    ];
    // Nobody is there, so that the log says what went wrong.
    let headers = format!("authorization={SECRET}");
    let services = [
        start(
            Kind::Ingress,
            &[
                ("REDIS_URL", &with_secret),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
                ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
            ],
        )?,
        start(
            Kind::Ingress,
            &[("REDIS_URL", &bare), user, ("REDIS_PASSWORD", SECRET)],
        )?,
        start(
            Kind::Proxy,
            &[from_file, provider, &[("REDIS_URL", &*bare)]].concat(),
        )?,
        start(
            Kind::Ingress,
            &[
                ("REDIS_URL", &guarded),
                user,
                ("REDIS_PASSWORD", SECRET),
                ("REDIS_SENTINEL_PASSWORD", SECRET),
            ],
        )?,
        start(
            Kind::Proxy,
            &[
                from_file,
                provider,
                &[
                    ("REDIS_URL", &*guarded),
                    ("REDIS_SENTINEL_PASSWORD_FILE", file),
                ],
            ]
            .concat(),
        )?,
    ];
    let client = HttpClient::new()?;
    let mut said = Vec::new();
    let ready = async |status: u16| {
        eventually(LONG, async || {
            for given in &services {
                let answer = client
                    .get(&format!("{}/health/ready", given.base), LONG)
                    .await?;
                ensure!(answer.status == status, "{}", answer.text());
            }
            Ok(())
        })
        .await
    };
    ready(200).await?;
    // The provider fails, and then Redis refuses the password.
    said.extend(asked(&client, &services).await?);
    let refuse = ["ACL", "SETUSER", "app", "resetpass", ">another"];
    redis.command::<()>(&refuse).await?;
    redis
        .command::<()>(&["CLIENT", "KILL", "USER", "app"])
        .await?;
    ready(503).await?;
    said.extend(asked(&client, &services).await?);

    // The sentinels refuse theirs.
    let former = format!("{SECRET}-of-before");
    let refused = [
        ("REDIS_URL", &*guarded),
        ("REDIS_SENTINEL_PASSWORD", &former),
    ];
    let refused = [start(Kind::Ingress, &refused)?];
    let process = &refused[0].process;
    process.wait_for_log("authentication failed", LONG).await?;
    said.extend(asked(&client, &refused).await?);
    said.push(process.log());

    let collector = format!("http://app:{SECRET}@127.0.0.1:4318");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector),
        ("OTEL_EXPORTER_OTLP_HEADERS", SECRET),
    ] {
        let output = Command::new(binary("ingress")?).env(name, value).output()?;
        ensure!(output.status.code() == Some(2), "{:?}", output.status);
        said.push(String::from_utf8([output.stdout, output.stderr].concat())?);
    }
    for given in &services {
        let pid = given.process.pid();
        said.push(fs::read_to_string(format!("/proc/{pid}/cmdline"))?);
        for flag in [
            "--help",
            "--print-config",
            "--no-such-flag",
            "--listen=nowhere",
        ] {
            let output = Command::new(binary(given.kind.program())?)
                .arg(flag)
                .envs(given.environment.iter().map(|(name, value)| (*name, value)))
                .output()?;
            said.push(String::from_utf8([output.stdout, output.stderr].concat())?);
        }
        given.process.terminate()?;
        given.process.wait_exit(LONG).await?;
        let log = given.process.log();
        ensure!(log.contains("refuses the credentials"), "{log}");
        ensure!(!log.contains(CITY), "{log}");
        said.push(log);
    }
    for said in said {
        let line = said.lines().find(|line| line.contains(SECRET));
        assert_eq!(line, None);
    }
    Ok(())
}

/// Everything that the services answer.
async fn asked(client: &HttpClient, services: &[Given]) -> anyhow::Result<Vec<String>> {
    let mut answers = Vec::new();
    for given in services {
        for path in [
            "/health",
            "/health/ready",
            "/health/live",
            "/metrics",
            "/terminals",
            "/swagger/v1/swagger.json",
            "/swagger/swagger-initializer.js",
            "/nowhere",
        ] {
            let answer = client.get(&format!("{}{path}", given.base), LONG).await?;
            answers.push(format!("{:?}\n{}", answer.headers, answer.text()));
        }
        if given.kind == Kind::Ingress {
            let url = format!("{}/WeatherForecast/city", given.base);
            let answer = client
                .post(&url, &[JSON], weather_of(CITY).into_bytes(), LONG)
                .await?;
            ensure!(answer.status >= 500, "{}", answer.text());
            answers.push(format!("{:?}\n{}", answer.headers, answer.text()));
        }
    }
    Ok(answers)
}

/// Its address. Whoever asks it is told that it does not work.
async fn a_provider_that_fails() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await;
            let answer = b"HTTP/1.1 500 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = connection.write_all(answer).await;
        }
    });
    Ok(format!("http://{address}"))
}

/// What is printed is what is in effect: started with it the program prints the same.
#[test]
fn the_settings_in_effect_are_printed() -> anyhow::Result<()> {
    for kind in [Kind::Ingress, Kind::Proxy] {
        let printed = |environment: &[(&str, &str)]| -> anyhow::Result<String> {
            let output = Command::new(binary(kind.program())?)
                .arg("--print-config")
                .env_clear()
                .envs(environment.iter().copied())
                .output()?;
            ensure!(output.status.code() == Some(0), "{:?}", output.status);
            ensure!(output.stderr.is_empty());
            Ok(String::from_utf8(output.stdout)?)
        };
        let given = [
            ("DRAIN_TIMEOUT", "7s"),
            ("REDIS_PASSWORD", SECRET),
            ("REDIS_URL", "redis://app:other@redis.example:6380/1"),
        ];
        let first = printed(&given)?;
        for line in [
            "DRAIN_TIMEOUT=7s",
            "REDIS_PASSWORD=[redacted]",
            "REDIS_URL=redis://[redacted]@redis.example:6380/1",
            "REQUEST_STREAM=weather-requests",
            "# ADMIN_LISTEN is unset",
        ] {
            ensure!(
                first.lines().any(|printed| printed == line),
                "no {line}: {first}"
            );
        }
        let again: Vec<_> = first
            .lines()
            .filter(|line| !line.contains("[redacted]"))
            .filter_map(|line| line.split_once('='))
            .chain(given)
            .collect();
        assert_eq!(printed(&again)?, first);
    }
    Ok(())
}

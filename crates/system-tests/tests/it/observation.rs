//! What people, load balancers and Prometheus see of a running pair.

use serde_json::{Value, json};
use testbed::{Port, RawConnection, eventually};

use crate::callers::all_served;
use crate::system::{Allowed, Kind, LONG, Service, System};

/// Swagger UI and the document behind it, on both services, without anything from another host.
#[tokio::test]
async fn swagger_is_served_by_both() -> anyhow::Result<()> {
    let system = System::start().await?;
    for (service, path) in [
        (system.ingress(0), "/WeatherForecast/city"),
        (system.proxy(0), "/terminals"),
    ] {
        let document = service.json("/swagger/v1/swagger.json").await?;
        assert!(
            document["openapi"].as_str().unwrap().starts_with("3."),
            "{}",
            document["openapi"]
        );
        assert!(
            document["paths"][path].is_object(),
            "{path} of {}",
            service.name()
        );

        let page = ui(service).await?;
        assert!(page.contains("swagger-ui"), "{page}");
        for elsewhere in ["http://", "https://", "//cdn"] {
            assert!(!page.contains(&format!("src=\"{elsewhere}")), "{page}");
        }
        for file in [
            "swagger-ui.css",
            "swagger-ui-bundle.js",
            "swagger-initializer.js",
        ] {
            let answer = service.get(&format!("/swagger/{file}")).await?;
            assert_eq!(answer.status, 200, "{file}");
            assert!(!answer.body.is_empty(), "{file}");
        }
        let initializer = service.get("/swagger/swagger-initializer.js").await?.text();
        assert!(
            initializer.contains("/swagger/v1/swagger.json"),
            "{initializer}"
        );
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// The page, wherever `/swagger` leads.
async fn ui(service: &Service) -> anyhow::Result<String> {
    let mut answer = service.get("/swagger").await?;
    if (300..400).contains(&answer.status) {
        let place = answer.header("location").expect("where to").to_owned();
        answer = service.get(&place).await?;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(answer.text())
}

/// Every part has its place in `/health`, and the choice of commands can be seen.
#[tokio::test]
async fn health_tells_of_every_part() -> anyhow::Result<()> {
    let system = System::start().await?;
    system.ask(0).await;
    let version = system.redis().version().await?;
    for service in system.services() {
        assert_eq!(service.json("/health/live").await?["live"], true);
        assert_eq!(service.json("/health/ready").await?["ready"], true);
        // An ingress looks for proxies every few seconds.
        let health = eventually(LONG, async || {
            let health = service.json("/health").await?;
            anyhow::ensure!(health["status"] == "healthy", "{health}");
            Ok(health)
        })
        .await?;
        assert_eq!(health["service"], service.kind().program());
        assert!(
            health["version"].is_string() && health["uptimeSeconds"].is_u64(),
            "{health}"
        );
        let redis = part(&health, "redis");
        let (major, minor, patch) = version.number;
        assert_eq!(
            redis["version"],
            format!("{major}.{minor}.{patch}"),
            "{redis}"
        );
        assert_eq!(redis["role"], "master");
        assert_eq!(redis["evictionPolicy"], "noeviction");
        let ack = if version.is_redis_since((8, 2, 3)) {
            "XACKDEL"
        } else {
            "XDEL"
        };
        let commands = redis["commands"].to_string();
        assert!(commands.contains(ack), "{version} has {commands}");
        part(&health, "backlog");
        names_are_camel_case(&health);
        part(
            &health,
            if service.kind() == Kind::Ingress {
                "circuit"
            } else {
                "terminals"
            },
        );
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// As in every other document of the services.
fn names_are_camel_case(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                assert!(name.chars().all(char::is_alphanumeric), "{name}");
                assert!(name.starts_with(char::is_lowercase), "{name}");
                names_are_camel_case(member);
            }
        }
        Value::Array(items) => items.iter().for_each(names_are_camel_case),
        _ => {}
    }
}

/// The detail of a part; the report of a part that is not there would be `null`.
fn part(health: &Value, name: &str) -> Value {
    let part = &health["parts"][name];
    assert_eq!(part["status"], "healthy", "{name}: {health}");
    part["detail"].clone()
}

/// The proxy's own page: each terminal, what it does, and what it has done.
#[tokio::test]
async fn terminals_are_shown() -> anyhow::Result<()> {
    let system = System::builder()
        .proxy("TERMINALS", "3")
        .proxy("PROCESSING_TIME", "3s")
        .start()
        .await?;
    let watch = async {
        let proxy = system.proxy(0);
        proxy
            .until_figure("terminals_active", &[], |active| active == 1.0)
            .await?;
        anyhow::Ok((
            proxy.json("/terminals").await?,
            proxy.json("/health").await?,
        ))
    };
    let (_, watched) = tokio::join!(system.ask(0), watch);
    let (terminals, health) = watched?;
    let summary = json!({"total": 3, "active": 1, "inHand": 1});
    assert_eq!(part(&health, "terminals"), summary);
    let terminals = terminals.as_array().unwrap();
    assert_eq!(terminals.len(), 3);
    let busy: Vec<_> = terminals
        .iter()
        .filter(|terminal| terminal["state"] == "busy")
        .collect();
    assert_eq!(busy.len(), 1, "{terminals:?}");
    assert!(
        busy[0]["requestId"].is_string() && busy[0]["busyMs"].is_u64(),
        "{busy:?}"
    );
    let served: u64 = system
        .proxy(0)
        .json("/terminals")
        .await?
        .as_array()
        .unwrap()
        .iter()
        .map(|terminal| terminal["served"].as_u64().unwrap())
        .sum();
    assert_eq!(served, 1);
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// What waits on the stream can be seen by whoever scales the proxies, also while there is none.
#[tokio::test]
async fn the_backlog_can_be_seen() -> anyhow::Result<()> {
    let mut system = System::builder().proxies(0).start().await?;
    let waiting = system.callers(0, 7);
    let ingress = system.ingress(0);
    ingress
        .until_figure("stream_backlog_entries", &[], |entries| entries == 7.0)
        .await?;
    ingress
        .until_figure("stream_oldest_entry_age_seconds", &[], |age| age > 0.0)
        .await?;
    assert_eq!(ingress.figure("workers_alive", &[]).await?, 0.0);
    system.add_proxy(&[]).await?;
    all_served(waiting).await;
    for service in system.services() {
        service
            .until_figure("stream_backlog_entries", &[], |entries| entries == 0.0)
            .await?;
        service
            .until_figure("workers_alive", &[], |alive| alive == 1.0)
            .await?;
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// What was seen of the streams is shown no more once they cannot be looked at: it would be taken for how they are.
#[tokio::test]
async fn what_cannot_be_looked_at_is_not_shown() -> anyhow::Result<()> {
    const OF_STREAMS: [&str; 5] = [
        "stream_backlog_entries",
        "stream_oldest_entry_age_seconds",
        "stream_entries",
        "stream_bytes",
        "workers_alive",
    ];
    let system = System::builder().start().await?;
    let shown = async |wanted: usize| {
        for service in system.services() {
            eventually(LONG, async || {
                let metrics = service.metrics().await?;
                let shown = OF_STREAMS.map(|name| metrics.sum(name, &[]).is_some());
                let count = shown.iter().filter(|shown| **shown).count();
                anyhow::ensure!(count == wanted, "{}: {shown:?}", service.name());
                Ok(())
            })
            .await?;
        }
        anyhow::Ok(())
    };
    shown(OF_STREAMS.len()).await?;
    system.redis().kill_hard().await?;
    shown(0).await?;
    system.redis().start_again().await?;
    shown(OF_STREAMS.len()).await?;
    system.finish(Allowed::redis_fault()).await?;
    Ok(())
}

/// Probes and scrapes get through by an address of their own while callers hold every connection.
#[tokio::test]
async fn the_admin_address_answers_when_the_other_is_full() -> anyhow::Result<()> {
    let ports = [Port::reserve()?, Port::reserve()?];
    let [first, second] = ports
        .each_ref()
        .map(|port| format!("127.0.0.1:{}", port.number()));
    let system = System::builder()
        .ingress("ADMIN_LISTEN", &first)
        .ingress("MAX_CONNECTIONS", "3")
        .ingress("HEADER_TIMEOUT", "10m")
        .proxy("ADMIN_LISTEN", &second)
        .start()
        .await?;
    // One of the three is the probe's own, by which the system was found ready.
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = system.ingress(0).raw().await?;
        connection
            .send("POST /WeatherForecast/city HTTP/1.1\r\n")
            .await?;
        held.push(connection);
    }
    for admin in [&first, &second] {
        for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
            let mut connection = RawConnection::open(admin).await?;
            connection
                .send(format!("GET {path} HTTP/1.1\r\nhost: admin\r\n\r\n"))
                .await?;
            let answer = connection.read_answer(LONG).await?;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        let mut connection = RawConnection::open(admin).await?;
        connection
            .send("GET /swagger HTTP/1.1\r\nhost: admin\r\n\r\n")
            .await?;
        assert_eq!(connection.read_answer(LONG).await?.status, 404);
    }
    drop(held);
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

//! Requests that cannot be worked on.

use std::{collections::BTreeMap, time::Duration};

use streams::{Options, RequestError, WorkerConfig};
use tokio::time::sleep;

use crate::support::{PATIENCE, Runs, Service, ask, becomes, serve};

const LEASE: Duration = Duration::from_millis(200);

/// One dead letter: its fields by name.
type Letter = BTreeMap<Vec<u8>, Vec<u8>>;

async fn letters(service: &Service) -> Vec<Letter> {
    let entries: Vec<(String, Vec<Vec<u8>>)> = service
        .redis
        .command(&["XRANGE", &service.names.dead_letters(), "-", "+"])
        .await
        .unwrap();
    entries
        .into_iter()
        .map(|(_, fields)| {
            fields
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect()
        })
        .collect()
}

fn field<'a>(letter: &'a Letter, name: &str) -> &'a str {
    std::str::from_utf8(&letter[name.as_bytes()]).unwrap()
}

/// Puts an entry on the request stream as anybody with access to Redis could.
async fn add(service: &Service, fields: &[(&[u8], &[u8])]) {
    let mut connection = service.redis.connect().await.unwrap();
    let mut command = redis::cmd("XADD");
    command.arg(&service.names.requests).arg("*");
    for (name, value) in fields {
        command.arg(*name).arg(*value);
    }
    let _id: String = command.query_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_request_that_kills_its_workers_is_given_up_and_its_caller_told() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    let asking = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, "poison").await }
    });
    becomes(1, async || service.length().await).await;
    let runs = Runs::default();
    let config = || WorkerConfig {
        lease: LEASE,
        max_deliveries: 2,
        ..service.worker_config()
    };
    for crash in 1..=2 {
        let seen = runs.clone();
        let worker = serve(config(), 1, move |request| {
            assert_eq!(request.deliveries, crash);
            seen.ran(&request.body);
            std::future::pending::<Result<Vec<u8>, _>>()
        })
        .await;
        becomes(crash as usize, async || runs.of("poison")).await;
        worker.crash().await;
    }
    let worker = serve(
        config(),
        1,
        |request| async move { Ok(request.body.to_vec()) },
    )
    .await;
    assert_eq!(
        asking.await.unwrap(),
        Err(RequestError::DeadLettered {
            cause: "deliveries".into()
        })
    );
    service.is_clean().await;
    assert_eq!(worker.metric("dead_letters_total"), 1.0);
    let letters = letters(&service).await;
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert_eq!(field(letter, "dead-cause"), "deliveries");
    assert_eq!(field(letter, "dead-deliveries"), "2");
    let raw: Vec<_> = letter
        .iter()
        .filter(|(name, _)| !name.starts_with(b"dead-"))
        .collect();
    let [(name, value)] = &raw[..] else {
        panic!("{raw:?}")
    };
    assert_eq!(name.len(), 36, "the request id");
    assert!(value.ends_with(b"\npoison"), "the raw envelope");
    ask(&client, "next").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_understood_is_set_aside_and_stops_nothing() {
    let service = Service::start().await;
    let id = uuid::Uuid::now_v7().to_string();
    let id = id.as_bytes();
    let megabyte = vec![b'j'; 1 << 20];
    let wrong: Vec<Vec<(&[u8], &[u8])>> = vec![
        vec![(b"a", b"b")],
        vec![(b"", b"")],
        vec![(b"a", b"1"), (b"a", b"2"), (b"a", b"3")],
        vec![(b"\xff\xfe", b"\xff\xfe\x00")],
        vec![(b"junk", &megabyte)],
        vec![(id, b"")],
        vec![(id, b"\n")],
        vec![(id, b"\xff\xfe")],
        vec![(id, &megabyte)],
        vec![(id, b"not json\nbody")],
        vec![(id, b"{}\nbody")],
        vec![(
            id,
            b"{\"v\":99,\"reply_to\":\"test-responses\",\"ttl\":5000}\nbody",
        )],
        vec![(
            id,
            b"{\"v\":1,\"reply_to\":\"test-responses\",\"ttl\":-1}\nbody",
        )],
        vec![(id, b"{\"v\":1,\"reply_to\":5,\"ttl\":5000}\nbody")],
        vec![(id, b"{\"v\":1,\"reply_to\":\"test-responses\",\"ttl\":5000")],
    ];
    for fields in &wrong {
        add(&service, fields).await;
    }
    let client = service.client().await;
    let worker = service.echo(2).await;
    ask(&client, "behind them").await.unwrap();
    service.is_clean().await;
    assert_eq!(worker.metric("dead_letters_total"), wrong.len() as f64);
    assert_eq!(worker.metric("requests_served_total"), 1.0);
    let letters = letters(&service).await;
    assert_eq!(letters.len(), wrong.len());
    for letter in &letters {
        assert_eq!(field(letter, "dead-cause"), "undecodable");
        assert_eq!(field(letter, "dead-deliveries"), "0");
        assert!(field(letter, "dead-entry").contains('-'));
    }
    for fields in &wrong {
        let raw = |letter: &Letter| {
            fields
                .iter()
                .all(|(name, value)| letter.get(*name).is_some_and(|kept| kept == value))
        };
        // Of fields with the same name the map above keeps the last.
        let twice = fields.len() > 1;
        assert!(twice || letters.iter().any(raw), "kept as it was");
    }
}

#[tokio::test]
async fn a_forged_reply_stream_is_never_written_to() {
    let service = Service::start().await;
    let client = service.client().await;
    let _worker = service.echo(2).await;
    let foreign = [
        "somebody-elses-key",
        "test-requests",
        "test-requests:dead",
        "test-responses:",
        "test-responses-2",
        "",
    ];
    for reply_to in foreign {
        let id = uuid::Uuid::now_v7().to_string();
        let value = format!("{{\"v\":1,\"reply_to\":\"{reply_to}\",\"ttl\":5000}}\nbody");
        add(&service, &[(id.as_bytes(), value.as_bytes())]).await;
    }
    becomes(foreign.len() as u64, async || service.dead_letters().await).await;
    service.is_clean().await;
    for letter in letters(&service).await {
        assert_eq!(field(&letter, "dead-cause"), "reply-to");
    }
    let touched: u64 = service
        .redis
        .command(&[
            "EXISTS",
            "somebody-elses-key",
            "test-responses:",
            "test-responses-2",
        ])
        .await
        .unwrap();
    assert_eq!(touched, 0);
    ask(&client, "next").await.unwrap();
}

#[tokio::test]
async fn the_dead_letters_are_bounded_and_the_oldest_go_first() {
    let service = Service::start().await;
    for number in 0..20 {
        let value = number.to_string();
        add(&service, &[(b"junk", value.as_bytes())]).await;
    }
    let config = WorkerConfig {
        max_dead_letters: 5,
        ..service.worker_config()
    };
    let worker = serve(config, 1, |_| async { Ok(vec![]) }).await;
    becomes(20.0, async || worker.metric("dead_letters_total")).await;
    service.is_clean().await;
    let kept: Vec<_> = letters(&service)
        .await
        .iter()
        .map(|letter| field(letter, "junk").to_owned())
        .collect();
    assert_eq!(kept, ["15", "16", "17", "18", "19"]);
}

#[tokio::test]
async fn a_dead_letter_that_redis_refuses_is_not_lost() {
    let service = Service::start().await;
    let client = service.client().await;
    client.ready().await;
    service.make_group().await;
    add(&service, &[(b"junk", b"precious")]).await;
    service.run_out_of_memory().await;
    let config = WorkerConfig {
        lease: LEASE,
        ..service.worker_config()
    };
    let worker = serve(
        config,
        1,
        |request| async move { Ok(request.body.to_vec()) },
    )
    .await;
    becomes(true, async || {
        worker.monitor.health().faults.contains_key("dead-letters")
    })
    .await;
    assert_eq!((service.length().await, service.pending().await), (1, 1));
    assert_eq!(service.dead_letters().await, 0);
    service.have_memory_again().await;
    becomes(1, async || service.dead_letters().await).await;
    service.is_clean().await;
    assert_eq!(field(&letters(&service).await[0], "junk"), "precious");
    ask(&client, "next").await.unwrap();
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_no_terminal() {
    let service = Service::start().await;
    let client = service.client().await;
    let worker = serve(service.worker_config(), 1, |request| {
        assert_ne!(&request.body[..], b"at once", "in the call");
        async move {
            sleep(Duration::from_millis(1)).await;
            assert_ne!(&request.body[..], b"later", "after an await");
            Ok(request.body.to_vec())
        }
    })
    .await;
    for body in ["at once", "later", "at once", "later"] {
        assert_eq!(ask(&client, body).await, Err(RequestError::Panicked));
    }
    ask(&client, "well").await.unwrap();
    service.is_clean().await;
    assert_eq!(worker.metric("requests_panicked_total"), 4.0);
    assert_eq!(worker.metric("requests_in_hand"), 0.0);
    assert_eq!(service.dead_letters().await, 0);
}

/// The destructor of a handler's future runs when its deadline cuts it, outside of what catches a panic.
#[tokio::test]
async fn a_panic_in_a_destructor_leaves_nothing_in_hand() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in the destructor");
            }
        }
    }
    let service = Service::start().await;
    let client = service.client().await;
    let config = WorkerConfig {
        lease: LEASE,
        ..service.worker_config()
    };
    let worker = serve(config, 1, |request| async move {
        if &request.body[..] == b"bomb" {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        }
        Ok(request.body.to_vec())
    })
    .await;
    let short = Options::within(Duration::from_millis(300));
    assert_eq!(
        client.request("bomb", short).await,
        Err(RequestError::TimedOut)
    );
    ask(&client, "next").await.unwrap();
    becomes(0.0, async || worker.metric("requests_in_hand")).await;
    // Withdrawn by its caller; its reference goes when the lease has lapsed.
    service.is_clean().await;
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_a_failure() {
    let service = Service::start().await;
    let client = service.client().await;
    let config = WorkerConfig {
        max_body: 1_000,
        ..service.worker_config()
    };
    let _worker = serve(config, 1, |request| async move {
        Ok(vec![b'x'; request.body.len() * 100])
    })
    .await;
    let ten = "x".repeat(10);
    assert_eq!(ask(&client, &ten).await.unwrap().body.len(), 1_000);
    let Err(RequestError::Failed(failure)) = ask(&client, &"x".repeat(11)).await else {
        panic!("too large")
    };
    assert_eq!(failure.code, "reply-too-large");
    assert!(failure.message.contains("1100"), "{failure}");
    service.is_clean().await;
}

#[tokio::test]
async fn a_failure_with_a_long_message_reaches_its_caller() {
    let service = Service::start().await;
    let client = service.client().await;
    let config = WorkerConfig {
        max_body: 100_000,
        ..service.worker_config()
    };
    let _worker = serve(config, 1, |_| async {
        let message = "é\u{1}".repeat(1_000_000);
        Err::<Vec<u8>, _>(streams::Failure::new("long", message))
    })
    .await;
    let options = Options::within(PATIENCE)
        .content_type("c".repeat(100_000))
        .traceparent("t".repeat(100_000));
    let Err(RequestError::Failed(failure)) = client.request("x", options).await else {
        panic!("a failure")
    };
    assert_eq!(failure.code, "long");
    assert!((99_998..=100_000).contains(&failure.message.len()));
    service.is_clean().await;
}

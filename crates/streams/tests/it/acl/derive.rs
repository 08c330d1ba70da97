//! The least rights, found by trying: two users begin with none, a client and a worker do all that they ever do,
//! again and again, and whatever Redis says it denied them is granted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use redis::Value;
use streams::{Client, ClientConfig, Options, ReplyStream, Request, StreamNames, Worker};
use testbed::{RedisServer, documented_acl, eventually};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{LEASE, configs, documented_names};
use crate::support::Service;

/// Much longer than it takes, which is some seconds.
const ENOUGH: Duration = Duration::from_secs(60);

/// Rights by user, such as `+xadd` and `%R~key`.
type Rights = BTreeMap<String, BTreeSet<String>>;

#[tokio::test]
async fn the_least_rights_are_those_of_the_document() {
    let version = RedisServer::installed_version().unwrap();
    if version.number < (7, 0, 0) {
        return; // Its log does not tell which subcommand it denied.
    }
    let documented = documented(&documented_acl(version).unwrap());
    let nothing = "user ingress on >INGRESS_PASSWORD resetchannels -@all\n\
                   user proxy on >PROXY_PASSWORD resetchannels -@all\nuser default off\n";
    let redis = RedisServer::builder().acl(nothing).start().await.unwrap();
    let service = Service {
        redis,
        names: documented_names(),
    };
    let mut granted = Rights::from([
        ("ingress".to_owned(), BTreeSet::new()),
        ("proxy".to_owned(), BTreeSet::new()),
    ]);
    let working = async {
        loop {
            everything(&service).await;
        }
    };
    let granting = async {
        eventually(ENOUGH, async || {
            grant_what_is_denied(&service, &mut granted).await?;
            anyhow::ensure!(
                granted == documented,
                "{}",
                difference(&granted, &documented)
            );
            Ok(())
        })
        .await
    };
    let found = tokio::select! {
        () = working => unreachable!("it has no end"),
        found = granting => found,
    };
    found.unwrap();
    // They are enough: all of it once more, from the first connection on.
    everything(&service).await;
    assert_eq!(service.redis.denied().await.unwrap(), [""; 0]);
}

/// The rights in the lines of an ACL file.
fn documented(lines: &str) -> Rights {
    let users = lines.lines().filter_map(|line| {
        let (user, rules) = line.strip_prefix("user ")?.split_once(' ')?;
        let is_right = |rule: &&str| rule.starts_with(['+', '%', '~']);
        let rights = rules.split(' ').filter(is_right).map(str::to_owned);
        Some((user.to_owned(), rights.collect()))
    });
    users.filter(|(user, _)| user != "default").collect()
}

fn difference(found: &Rights, documented: &Rights) -> String {
    let mut told = String::new();
    for (user, documented) in documented {
        let found = &found[user];
        let [missing, useless] = [found - documented, documented - found];
        told +=
            &format!("{user}: not documented {missing:?}, documented and not used {useless:?}; ");
    }
    told
}

/// Grants each right that somebody was denied since the last time. A key may be read at first, if that is not enough
/// it may be written instead, and only then both.
async fn grant_what_is_denied(service: &Service, granted: &mut Rights) -> anyhow::Result<()> {
    let log: Vec<BTreeMap<String, Value>> = service.redis.command(&["ACL", "LOG"]).await?;
    let text = |entry: &BTreeMap<String, Value>, name: &str| -> anyhow::Result<String> {
        Ok(redis::from_redis_value(entry[name].clone())?)
    };
    // The log tells transactions and scripts apart; a key is widened once at a time all the same.
    let mut denied = BTreeSet::new();
    for entry in &log {
        let (reason, mut object) = (text(entry, "reason")?, text(entry, "object")?);
        if reason == "key" {
            object = pattern(&service.names, object);
        }
        denied.insert((text(entry, "username")?, reason, object));
    }
    for (user, reason, object) in denied {
        let rights = granted.get_mut(&user).expect("one of the two");
        let mut set = vec!["ACL".to_owned(), "SETUSER".to_owned(), user];
        match &reason[..] {
            "command" => {
                rights.insert(format!("+{object}"));
                set.push(format!("+{object}"));
            }
            "key" => {
                widen(rights, &object);
                set.push("resetkeys".to_owned());
                set.extend(
                    rights
                        .iter()
                        .filter(|right| !right.starts_with('+'))
                        .cloned(),
                );
            }
            other => anyhow::bail!("denied for {other}"),
        }
        let set: Vec<_> = set.iter().map(String::as_str).collect();
        service.redis.command::<()>(&set).await?;
    }
    if !log.is_empty() {
        // Behind the grants, so that what is denied from here on is still missing.
        service
            .redis
            .command::<()>(&["ACL", "LOG", "RESET"])
            .await?;
    }
    Ok(())
}

fn widen(rights: &mut BTreeSet<String>, key: &str) {
    let [read, write, both] = ["%R~", "%W~", "~"].map(|right| format!("{right}{key}"));
    let next = if rights.remove(&read) {
        write
    } else if rights.remove(&write) || rights.contains(&both) {
        both
    } else {
        read
    };
    rights.insert(next);
}

/// The key, or for a dedicated reply stream all of them.
fn pattern(names: &StreamNames, key: String) -> String {
    match key.strip_prefix(&format!("{}:", names.responses)) {
        Some(_instance) => format!("{}:*", names.responses),
        None => key,
    }
}

/// What a client and a worker ever do with Redis, each of it whether or not the rest is permitted.
async fn everything(service: &Service) {
    let (shared, mut worker) = configs(service);
    worker.drain_timeout = Duration::ZERO;
    let dedicated = ClientConfig {
        reply_stream: ReplyStream::Dedicated,
        ..shared.clone()
    };
    let clients = [
        Client::connect(shared).await.unwrap(),
        Client::connect(dedicated).await.unwrap(),
    ];
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::connect(worker).await.unwrap();
    let serving = tokio::spawn(worker.serve(
        8,
        |request: Request| async move {
            match &request.body[..] {
                // Longer than its lease is renewed for the first time.
                b"long" => sleep(LEASE).await,
                b"endless" => std::future::pending().await,
                _ => {}
            }
            Ok(request.body)
        },
        async {
            let _ = stopped.await;
        },
    ));
    // Served; renewed; and given up by its caller, which withdraws it.
    ask_all(&clients, &["short", "long", "endless"], 2 * LEASE).await;
    // A dead letter.
    let junk = ["XADD", &service.names.requests, "*", "junk", "x"];
    service.redis.command::<String>(&junk).await.unwrap();
    // The group is lost.
    let StreamNames {
        requests, group, ..
    } = &service.names;
    let destroy = ["XGROUP", "DESTROY", requests, group];
    service.redis.command::<u8>(&destroy).await.unwrap();
    ask_all(&clients, &["short"], LEASE).await;
    // A reply is refused. The circuit opens, and is probed.
    let mut in_hand = JoinSet::new();
    let asking = clients.clone();
    in_hand.spawn(async move { ask_all(&asking, &["long"], 4 * LEASE).await });
    sleep(LEASE / 2).await;
    service.run_out_of_memory().await;
    for _ in 0..6 {
        ask_all(&clients, &["short"], LEASE / 8).await;
    }
    in_hand.join_all().await;
    service.have_memory_again().await;
    ask_all(&clients, &["short"], LEASE).await;
    // A drain with work in hand, which is handed back; and the next one without, which takes its consumer along.
    let mut asking = JoinSet::new();
    let client = clients[0].clone();
    asking.spawn(async move { client.request("endless", Options::within(2 * LEASE)).await });
    sleep(LEASE / 2).await;
    let _ = stop.send(());
    timeout(ENOUGH, serving).await.unwrap().unwrap().unwrap();
    asking.join_all().await;
    drain_idle(service).await;
}

/// A worker that comes and goes with nothing in hand.
async fn drain_idle(service: &Service) {
    let (_, config) = configs(service);
    let worker = Worker::connect(config).await.unwrap();
    let monitor = worker.monitor();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(worker.serve(
        8,
        |request: Request| async move { Ok(request.body) },
        async {
            let _ = stopped.await;
        },
    ));
    let _ = timeout(3 * LEASE, monitor.ready()).await;
    let _ = stop.send(());
    timeout(ENOUGH, serving).await.unwrap().unwrap().unwrap();
}

async fn ask_all(clients: &[Client], bodies: &[&'static str], within: Duration) {
    let mut asking = JoinSet::new();
    for client in clients {
        for &body in bodies {
            let client = client.clone();
            asking.spawn(async move { client.request(body, Options::within(within)).await });
        }
    }
    asking.join_all().await;
}

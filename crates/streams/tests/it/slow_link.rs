//! A way to Redis so slow that what is read or written at once may not get through within the response timeout.

use std::{sync::Arc, time::Duration};

use futures_util::future::join;
use prometheus::Registry;
use streams::{Client, Options, RedisConfig, StreamNames};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    select,
    sync::{Barrier, Mutex},
    time::sleep,
};

use crate::support::{Service, becomes, metric, serve};

/// Bytes a second that come from Redis. A read has the response timeout and the time that it waits on the
/// server, seven seconds together.
const RATE: usize = 2 << 20;

const BODY: usize = 1 << 20;
const REQUESTS: usize = 24;

/// Which way is slow.
#[derive(Clone, Copy)]
enum Slow {
    FromRedis,
    /// And everybody has to share it, also what was sent over connections that were given up.
    ToRedis,
}

/// Gives the port to connect to.
async fn slow_link(upstream: u16, slow: Slow) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let uplink = Arc::new(Mutex::new(()));
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let uplink = Arc::clone(&uplink);
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
                let (mut from_near, mut to_near) = near.split();
                let (mut from_far, mut to_far) = far.split();
                match slow {
                    Slow::FromRedis => {
                        let own = Mutex::new(());
                        let slowly = slowly(&mut from_far, &mut to_near, &own);
                        select! {
                            () = slowly => {}
                            _ = copy(&mut from_near, &mut to_far) => {}
                        }
                    }
                    Slow::ToRedis => {
                        let slowly = slowly(&mut from_near, &mut to_far, &uplink);
                        let _ = join(slowly, copy(&mut from_far, &mut to_near)).await;
                    }
                }
            });
        }
    });
    port
}

async fn slowly(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    line: &Mutex<()>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let line = line.lock().await;
        sleep(Duration::from_secs_f64(read as f64 / RATE as f64)).await;
        drop(line);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn behind(service: &Service, slow: Slow) -> RedisConfig {
    let port = slow_link(service.redis.port(), slow).await;
    RedisConfig::new(format!("redis://127.0.0.1:{port}"))
}

/// All at once, each with a body of its own length.
async fn all_are_answered(client: &Client, body: usize) {
    let asked = (0..REQUESTS).map(|_| {
        let within = Options::within(Duration::from_secs(60));
        client.request(vec![b'x'; body], within)
    });
    for reply in futures_util::future::join_all(asked).await {
        reply.unwrap();
    }
}

#[tokio::test]
async fn a_worker_takes_large_requests_bit_by_bit() {
    let service = Service::start().await;
    let client = service.client().await;
    let mut config = service.worker_config();
    config.redis = behind(&service, Slow::FromRedis).await;
    config.lease = Duration::from_secs(30);
    let worker = serve(config, REQUESTS, |_| async { Ok(vec![]) }).await;
    all_are_answered(&client, BODY).await;
    assert_eq!(worker.metric("requests_reclaimed_total"), 0.0);
    service.is_clean().await;
}

#[tokio::test]
async fn a_client_reads_large_replies_bit_by_bit() {
    let service = Service::start().await;
    let mut config = service.client_config();
    config.redis = behind(&service, Slow::FromRedis).await;
    let client = Client::connect(config).await.unwrap();
    // Together, so that they wait for the reader in one heap.
    let together = Arc::new(Barrier::new(REQUESTS));
    let _worker = serve(service.worker_config(), REQUESTS, move |_| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Ok(vec![b'x'; BODY])
        }
    })
    .await;
    all_are_answered(&client, 1).await;
    let StreamNames { requests, .. } = &service.names;
    assert_eq!(
        service
            .redis
            .command::<u64>(&["XLEN", requests])
            .await
            .unwrap(),
        0
    );
}

/// Of what is written at once a quarter gets through in time.
const PIECE: usize = 256 << 10;
const IN_TIME: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_client_writes_large_requests_bit_by_bit() {
    let service = Service::start().await;
    let mut config = service.client_config();
    config.redis = behind(&service, Slow::ToRedis).await;
    config.redis.response_timeout = IN_TIME;
    config.send_timeout = Duration::from_secs(30);
    let registry = Registry::new();
    config.registry = Some(registry.clone());
    let client = Client::connect(config).await.unwrap();
    client.ready().await;
    let _worker = serve(service.worker_config(), REQUESTS, |_| async { Ok(vec![]) }).await;
    all_are_answered(&client, PIECE).await;
    // The first write is too much, and all of it is written again; the next ones are not.
    let retries = metric(&registry, "redis_command_retries_total");
    assert!((1.0..REQUESTS as f64).contains(&retries), "{retries}");
}

#[tokio::test]
async fn a_worker_writes_large_replies_bit_by_bit() {
    let service = Service::start().await;
    let client = service.client().await;
    let mut config = service.worker_config();
    config.redis = behind(&service, Slow::ToRedis).await;
    config.redis.response_timeout = IN_TIME;
    config.lease = Duration::from_secs(30);
    let together = Arc::new(Barrier::new(REQUESTS));
    let worker = serve(config, REQUESTS, move |_| {
        let together = Arc::clone(&together);
        async move {
            together.wait().await;
            Ok(vec![b'x'; PIECE])
        }
    })
    .await;
    all_are_answered(&client, 1).await;
    becomes(0.0, async || worker.metric("requests_in_hand")).await;
    assert!(worker.metric("redis_command_retries_total") > 0.0);
}

//! A way to Redis so slow that what is read at once may not get through within the response timeout.

use std::{sync::Arc, time::Duration};

use streams::{Client, Options, RedisConfig, StreamNames};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    select,
    sync::Barrier,
    time::sleep,
};

use crate::support::{Service, serve};

/// Bytes a second that come from Redis. A read has the response timeout and the time that it waits on the
/// server, seven seconds together.
const RATE: usize = 2 << 20;

const BODY: usize = 1 << 20;
const REQUESTS: usize = 24;

/// Gives the port to connect to.
async fn slow_link(upstream: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
                let (mut from_near, mut to_near) = near.split();
                let (mut from_far, mut to_far) = far.split();
                let slowly = async {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = from_far.read(&mut buffer).await {
                        if to_near.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                        sleep(Duration::from_secs_f64(read as f64 / RATE as f64)).await;
                    }
                };
                select! {
                    () = slowly => {}
                    _ = copy(&mut from_near, &mut to_far) => {}
                }
            });
        }
    });
    port
}

async fn slowly(service: &Service) -> RedisConfig {
    RedisConfig::new(format!(
        "redis://127.0.0.1:{}",
        slow_link(service.redis.port()).await
    ))
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
    config.redis = slowly(&service).await;
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
    config.redis = slowly(&service).await;
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

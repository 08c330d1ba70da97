use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::ensure;
use testbed::{Impairment, TcpProxy, Way, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::{LONG, SHORT};

/// Both ends of connections over a proxy.
struct Pairs {
    proxy: TcpProxy,
    accepted: mpsc::Receiver<TcpStream>,
}

impl Pairs {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = TcpProxy::start(listener.local_addr().unwrap().port()).await;
        let (accept, accepted) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if accept.send(stream).await.is_err() {
                    return;
                }
            }
        });
        Self {
            proxy: proxy.unwrap(),
            accepted,
        }
    }

    /// The caller's end and the server's.
    async fn connect(&mut self) -> anyhow::Result<(TcpStream, TcpStream)> {
        let client = TcpStream::connect(("127.0.0.1", self.proxy.port())).await?;
        let server = timeout(LONG, self.accepted.recv()).await?.unwrap();
        Ok((client, server))
    }
}

async fn arrives(stream: &mut TcpStream, expected: &[u8]) -> anyhow::Result<()> {
    let mut got = vec![0; expected.len()];
    timeout(LONG, stream.read_exact(&mut got)).await??;
    ensure!(got == expected, "{got:?} instead of {expected:?}");
    Ok(())
}

async fn nothing_arrives(stream: &mut TcpStream) {
    assert!(timeout(SHORT, stream.read(&mut [0; 8])).await.is_err());
}

#[tokio::test]
async fn a_delay_is_one_of_time_and_not_of_bandwidth() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let delay = Duration::from_millis(300);
    pairs
        .proxy
        .impair(Way::There, Impairment::none().delay(delay, delay / 10));
    let (mut client, mut server) = pairs.connect().await?;
    let start = Instant::now();
    let mut sent = Vec::new();
    for number in 0..50_u8 {
        client.write_all(&[number; 3]).await?;
        sent.extend([number; 3]);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    arrives(&mut server, &sent).await?;
    let took = start.elapsed();
    assert!(took >= delay, "{took:?}");
    // One after the other they would take fifteen seconds.
    assert!(took < delay * 25, "{took:?}");

    let back = Instant::now();
    server.write_all(b"at once").await?;
    arrives(&mut client, b"at once").await?;
    assert!(back.elapsed() < delay, "the other way is as it was");
    Ok(())
}

#[tokio::test]
async fn a_delay_that_is_taken_back_holds_up_nothing() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut client, mut server) = pairs.connect().await?;
    let hours = Impairment::none().delay(LONG * 100, Duration::ZERO);
    pairs.proxy.impair(Way::There, hours);
    client.write_all(b"late").await?;
    nothing_arrives(&mut server).await;
    pairs.proxy.restore().await?;
    arrives(&mut server, b"late").await
}

#[tokio::test]
async fn little_bandwidth_is_a_steady_drip() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut client, mut server) = pairs.connect().await?;
    let line = Impairment::none().bandwidth(10_000);
    pairs.proxy.impair(Way::Back, line);
    let (start, sent) = (Instant::now(), vec![7; 5_000]);
    server.write_all(&sent).await?;
    let mut first = [0; 1];
    timeout(LONG, client.read_exact(&mut first)).await??;
    arrives(&mut client, &sent[1..]).await?;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(480), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn slices_arrive_in_order_and_one_by_one() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut client, mut server) = pairs.connect().await?;
    let line = Impairment::none().slices(1).bandwidth(500);
    pairs.proxy.impair(Way::There, line);
    let sent: Vec<u8> = (0..200).collect();
    client.write_all(&sent).await?;
    let (mut got, mut reads) = (Vec::new(), 0);
    while got.len() < sent.len() {
        timeout(LONG, server.read_buf(&mut got)).await??;
        reads += 1;
    }
    assert_eq!(got, sent);
    assert!(reads > 3, "{reads} reads");
    Ok(())
}

#[tokio::test]
async fn slices_do_not_make_a_line_slower_than_its_bandwidth() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut client, mut server) = pairs.connect().await?;
    let line = Impairment::none().slices(1).bandwidth(20_000);
    pairs.proxy.impair(Way::There, line);
    let (start, sent) = (Instant::now(), vec![7; 10_000]);
    client.write_all(&sent).await?;
    arrives(&mut server, &sent).await?;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    // One timer for each byte would be ten seconds or more.
    assert!(took < Duration::from_secs(6), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn one_way_is_held_and_the_other_is_not() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut client, mut server) = pairs.connect().await?;
    pairs.proxy.impair(Way::Back, Impairment::none().hold());
    client.write_all(b"there").await?;
    arrives(&mut server, b"there").await?;
    server.write_all(b"back").await?;
    nothing_arrives(&mut client).await;
    pairs.proxy.restore().await?;
    arrives(&mut client, b"back").await
}

#[tokio::test]
async fn each_so_manieth_byte_is_corrupted() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut client, mut server) = pairs.connect().await?;
    pairs
        .proxy
        .impair(Way::There, Impairment::none().corrupt_each(3));
    client.write_all(&[1, 2, 3]).await?;
    arrives(&mut server, &[1, 2, !3]).await?;
    client.write_all(&[4, 5, 6, 7]).await?;
    arrives(&mut server, &[4, 5, !6, 7]).await?;
    pairs.proxy.restore().await?;
    client.write_all(&[8, 9, 10]).await?;
    arrives(&mut server, &[8, 9, 10]).await
}

#[tokio::test]
async fn a_connection_is_reset_in_the_middle_of_what_it_carries() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    pairs
        .proxy
        .impair(Way::There, Impairment::none().reset_after(10));
    for _ in 0..2 {
        let (mut client, mut server) = pairs.connect().await?;
        client.write_all(b"ten bytes.").await?;
        arrives(&mut server, b"ten bytes.").await?;
        server.write_all(b"got them").await?;
        arrives(&mut client, b"got them").await?;
        client.write_all(b"more").await?;
        for stream in [&mut client, &mut server] {
            let end = timeout(LONG, stream.read(&mut [0; 8])).await?;
            assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
    }
    Ok(())
}

#[tokio::test]
async fn one_connection_has_a_line_of_its_own() -> anyhow::Result<()> {
    let mut pairs = Pairs::new().await;
    let (mut harmed, mut server) = pairs.connect().await?;
    let (mut other, mut others_server) = pairs.connect().await?;
    let port = server.peer_addr()?.port();
    pairs
        .proxy
        .impair_one(port, Way::There, Impairment::none().hold());
    harmed.write_all(b"held").await?;
    other.write_all(b"not held").await?;
    arrives(&mut others_server, b"not held").await?;
    nothing_arrives(&mut server).await;

    pairs.proxy.reset_one(port);
    assert!(timeout(LONG, harmed.read(&mut [0; 8])).await?.is_err());
    eventually(LONG, async || {
        ensure!(pairs.proxy.connections() == 1, "the other is there still");
        Ok(())
    })
    .await?;
    other.write_all(b"and again").await?;
    arrives(&mut others_server, b"and again").await?;
    assert_eq!(pairs.proxy.arrivals().len(), 2);
    Ok(())
}

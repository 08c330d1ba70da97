use std::io::ErrorKind;

use anyhow::ensure;
use testbed::{Port, TcpProxy, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::{LONG, SHORT};

/// A proxy before a server that sends back what it gets, to the end of each connection.
async fn echo() -> TcpProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reads, mut writes) = stream.split();
                let _ = tokio::io::copy(&mut reads, &mut writes).await;
            });
        }
    });
    TcpProxy::start(upstream).await.unwrap()
}

async fn connect(proxy: &TcpProxy) -> std::io::Result<TcpStream> {
    TcpStream::connect(("127.0.0.1", proxy.port())).await
}

async fn is_echoed(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut back = vec![0; text.len()];
    timeout(LONG, stream.read_exact(&mut back))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(back, text.as_bytes());
}

#[tokio::test]
async fn carries_both_directions_and_the_end_of_each() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await?;
    let sent = vec![7; 1 << 20];
    let (mut reads, mut writes) = stream.split();
    let send = async {
        writes.write_all(&sent).await?;
        writes.shutdown().await
    };
    let mut received = Vec::new();
    let (sending, receiving) = timeout(LONG, async {
        tokio::join!(send, reads.read_to_end(&mut received))
    })
    .await?;
    sending?;
    receiving?;
    assert!(received == sent);
    eventually(LONG, async || {
        ensure!(
            proxy.connections() == 0,
            "{} connections",
            proxy.connections()
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_cut_ends_connections_and_refuses_new_ones_until_restored() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await?;
    is_echoed(&mut stream, "before").await;
    for _ in 0..3 {
        proxy.cut().await?;
        assert_eq!(timeout(LONG, stream.read(&mut [0; 8])).await??, 0);
        assert_eq!(
            connect(&proxy).await.unwrap_err().kind(),
            ErrorKind::ConnectionRefused
        );
        proxy.restore().await?;
        stream = connect(&proxy).await?;
        is_echoed(&mut stream, "after").await;
    }
    Ok(())
}

#[tokio::test]
async fn a_reset_ends_connections_hard_and_accepts_new_ones() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await?;
    is_echoed(&mut stream, "before").await;
    proxy.reset().await?;
    let error = timeout(LONG, stream.read(&mut [0; 8])).await?.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    is_echoed(&mut connect(&proxy).await?, "after").await;
    Ok(())
}

#[tokio::test]
async fn a_blackhole_holds_back_until_restored() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut old = connect(&proxy).await?;
    is_echoed(&mut old, "before").await;
    proxy.blackhole();
    let mut new = connect(&proxy).await?;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"held").await?;
        assert!(timeout(SHORT, stream.read(&mut [0; 8])).await.is_err());
    }
    proxy.restore().await?;
    for stream in [&mut old, &mut new] {
        let mut back = [0; 4];
        timeout(LONG, stream.read_exact(&mut back)).await??;
        assert_eq!(&back, b"held");
    }
    Ok(())
}

#[tokio::test]
async fn a_blackhole_can_be_reset_and_cut() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut first = connect(&proxy).await?;
    is_echoed(&mut first, "before").await;
    proxy.blackhole();
    first.write_all(b"held").await?;
    proxy.reset().await?;
    assert!(timeout(LONG, first.read(&mut [0; 8])).await?.is_err());

    let mut second = connect(&proxy).await?;
    second.write_all(b"held").await?;
    assert!(timeout(SHORT, second.read(&mut [0; 8])).await.is_err());
    proxy.cut().await?;
    // What the proxy held back makes the system end the connection with a reset.
    assert!(!matches!(
        timeout(LONG, second.read(&mut [0; 8])).await?,
        Ok(1..)
    ));
    proxy.restore().await?;
    is_echoed(&mut connect(&proxy).await?, "after").await;
    Ok(())
}

#[tokio::test]
async fn a_missing_upstream_closes_the_connection() -> anyhow::Result<()> {
    let nobody = Port::reserve()?;
    let proxy = TcpProxy::start(nobody.number()).await?;
    let mut stream = connect(&proxy).await?;
    assert_eq!(timeout(LONG, stream.read(&mut [0; 8])).await??, 0);
    Ok(())
}

#[tokio::test]
async fn dropping_ends_everything() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await?;
    is_echoed(&mut stream, "before").await;
    let port = proxy.port();
    drop(proxy);
    assert_eq!(timeout(LONG, stream.read(&mut [0; 8])).await??, 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    Ok(())
}

#[tokio::test]
async fn new_connections_follow_to_another_server_and_old_ones_stay() -> anyhow::Result<()> {
    let proxy = echo().await;
    let mut old = connect(&proxy).await?;
    is_echoed(&mut old, "before").await;
    let other = TcpListener::bind("127.0.0.1:0").await?;
    proxy.redirect(other.local_addr()?.port());
    let mut new = connect(&proxy).await?;
    let (mut accepted, _) = timeout(LONG, other.accept()).await??;
    accepted.write_all(b"other").await?;
    let mut got = [0; 5];
    timeout(LONG, new.read_exact(&mut got)).await??;
    assert_eq!(&got, b"other");
    is_echoed(&mut old, "still there").await;
    Ok(())
}

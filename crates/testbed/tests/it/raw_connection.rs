use testbed::RawConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::stub::Stub;
use crate::{LONG, SHORT};

/// A connection to a server that does what `serve` says.
async fn connect<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (RawConnection, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    (RawConnection::open(&address).await.unwrap(), server)
}

/// A connection to a server that says `text` and closes.
async fn says(text: &'static str) -> RawConnection {
    connect(async move |mut stream| stream.write_all(text.as_bytes()).await.unwrap())
        .await
        .0
}

#[tokio::test]
async fn speaks_to_a_real_server_in_a_pipeline() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let mut connection = RawConnection::open(&stub.base).await?;
    let body = r#"{"city":"Oslo","location":"Centre"}"#;
    let head = format!(
        "POST /WeatherForecast/city HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    connection
        .send(
            [
                head.as_bytes(),
                body.as_bytes(),
                b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n",
            ]
            .concat(),
        )
        .await?;
    let first = connection.read_answer(LONG).await?;
    assert_eq!(
        (first.status, first.json()?["city"].as_str()),
        (200, Some("Oslo"))
    );
    assert_eq!(connection.read_answer(LONG).await?.status, 404);
    connection.half_close().await?;
    assert_eq!(connection.read_to_close(LONG).await?, b"");
    Ok(())
}

#[tokio::test]
async fn reads_each_kind_of_body() -> anyhow::Result<()> {
    let kinds = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nTrailer: t\r\n\r\n",
            "abc",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", "abc"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", ""),
    ];
    for (text, body) in kinds {
        let answer = says(text).await.read_answer(LONG).await?;
        assert_eq!(answer.text(), body, "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn header_names_are_lowered_and_repeated_ones_kept() -> anyhow::Result<()> {
    let head = "HTTP/1.1 405 Not Allowed\r\nALLOW:  POST \r\nX-A: 1\r\nx-a: 2\r\ncontent-length: 0\r\n\r\n";
    let answer = says(head).await.read_answer(LONG).await?;
    assert_eq!(
        (answer.status, answer.header("allow"), answer.header("x-a")),
        (405, Some("POST"), Some("1"))
    );
    assert_eq!(
        answer
            .headers
            .iter()
            .filter(|(name, _)| name == "x-a")
            .count(),
        2
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_a_whole_answer_is_an_error() {
    let wrong = [
        "",
        "HTTP/1.1 200 OK",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab",
    ];
    for text in wrong {
        assert!(
            says(text).await.read_answer(LONG).await.is_err(),
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn waiting_has_a_bound() {
    let (mut connection, server) = connect(async |mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let error = connection.read_answer(SHORT).await.unwrap_err();
    assert!(
        error.to_string().contains("no whole answer within"),
        "{error}"
    );
    let error = connection.read_to_close(SHORT).await.unwrap_err();
    assert!(error.to_string().contains("still open"), "{error}");
    server.abort();
}

#[tokio::test]
async fn drips_byte_by_byte() -> anyhow::Result<()> {
    let (mut connection, server) = connect(async |mut stream| {
        let (mut received, mut reads) = (Vec::new(), 0);
        while stream.read_buf(&mut received).await.unwrap() > 0 {
            reads += 1;
        }
        assert_eq!(received, b"GET / ");
        assert!(reads > 1, "all came at once");
    })
    .await;
    connection.drip("GET / ", SHORT).await?;
    connection.half_close().await?;
    Ok(server.await?)
}

#[tokio::test]
async fn a_reset_is_a_close() -> anyhow::Result<()> {
    let (mut connection, server) = connect(async |stream| stream.set_zero_linger().unwrap()).await;
    server.await?;
    assert_eq!(connection.read_to_close(LONG).await?, b"");
    Ok(())
}

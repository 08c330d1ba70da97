use anyhow::ensure;
use testbed::{Failure, HttpClient, Metrics, Port, eventually};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::stub::Stub;
use crate::{LONG, SHORT};

#[tokio::test]
async fn returns_the_whole_answer() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let answer = HttpClient::new()?
        .post_city(&stub.base, "Oslo", "Centre", LONG)
        .await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        (&answer.json()?["city"], &answer.json()?["location"]),
        (&"Oslo".into(), &"Centre".into())
    );
    Ok(())
}

#[tokio::test]
async fn any_status_is_an_answer_and_no_redirect_is_followed() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let client = HttpClient::new()?;
    assert_eq!(
        client
            .post_city(&stub.base, "Busy", "Centre", LONG)
            .await?
            .status,
        503
    );
    assert_eq!(
        client
            .get(&format!("{}/moved", stub.base), LONG)
            .await?
            .status,
        302
    );
    let headers = [("content-type", "text/plain")];
    let url = format!("{}/WeatherForecast/city", stub.base);
    assert_eq!(
        client
            .post(&url, &headers, b"{}".to_vec(), LONG)
            .await?
            .status,
        415
    );
    Ok(())
}

#[tokio::test]
async fn scrapes_metrics() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let client = HttpClient::new()?;
    let metrics = Metrics::scrape(&client, &format!("{}/metrics", stub.base), LONG).await?;
    assert_eq!(
        metrics.get("requests_total", &[("status", "200")]),
        Some(7.0)
    );
    assert!(
        Metrics::scrape(&client, &format!("{}/moved", stub.base), LONG)
            .await
            .is_err()
    );
    Ok(())
}

#[tokio::test]
async fn nobody_listening_is_a_failure_to_connect() -> anyhow::Result<()> {
    let port = Port::reserve()?;
    let base = format!("http://127.0.0.1:{}", port.number());
    let failure = HttpClient::new()?
        .post_city(&base, "Oslo", "Centre", LONG)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Connect(_)), "{failure}");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_ends_inside_the_answer_is_broken() -> anyhow::Result<()> {
    for sent in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
        "nonsense\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
        });
        let failure = HttpClient::new()?
            .post_city(&base, "Oslo", "Centre", LONG)
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Broken(_)), "{sent:?}: {failure}");
        server.await?;
    }
    Ok(())
}

#[tokio::test]
async fn waiting_has_a_bound_and_leaving_reaches_the_server() -> anyhow::Result<()> {
    let stub = Stub::start().await;
    let client = HttpClient::new()?;
    let mut call = Box::pin(client.post_city(&stub.base, "Hanging", "Centre", LONG));
    eventually(LONG, async || {
        ensure!(timeout(SHORT, &mut call).await.is_err(), "the call ended");
        ensure!(stub.hanging() == 1, "the request has not arrived");
        Ok(())
    })
    .await?;
    drop(call);
    let gone = async || {
        ensure!(
            stub.hanging() == 0,
            "the server still works for a caller who left"
        );
        Ok(())
    };
    eventually(LONG, gone).await?;

    let failure = client
        .post_city(&stub.base, "Hanging", "Centre", SHORT)
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::NoAnswer("50ms".into()));
    eventually(LONG, gone).await
}

//! The certificates, tried out between a real server and a real client.

use std::fs;
use std::path::Path;

use redis::{Client, ClientTlsConfig, TlsCertificates};
use testbed::{Certificates, Folder, RedisServer, ServerTls, not_run};

/// `None` where the server program has no TLS: there is nothing to try.
async fn server(tls: ServerTls, clients: &str) -> anyhow::Result<Option<RedisServer>> {
    if !RedisServer::supports_tls()? {
        not_run("the certificates", "there is no TLS in the server");
        return Ok(None);
    }
    RedisServer::builder()
        .tls(tls)
        .config("tls-auth-clients", clients)
        .start()
        .await
        .map(Some)
}

async fn ping(
    server: &RedisServer,
    ca: &Path,
    client: Option<(&Path, &Path)>,
) -> anyhow::Result<String> {
    let client_tls = match client {
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: fs::read(certificate)?,
            client_key: fs::read(key)?,
        }),
        None => None,
    };
    let client = Client::build_with_tls(
        server.url(),
        TlsCertificates {
            client_tls,
            root_cert: Some(fs::read(ca)?),
        },
    )?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("PING").query_async(&mut connection).await?)
}

#[tokio::test]
async fn only_its_own_authority_is_trusted() -> anyhow::Result<()> {
    let folder = Folder::new("tls")?;
    let certificates = Certificates::create(folder.path())?;
    let Some(server) = server(certificates.server_tls(), "no").await? else {
        return Ok(());
    };
    assert_eq!(ping(&server, &certificates.ca, None).await?, "PONG");
    let error = format!(
        "{:#}",
        ping(&server, &certificates.other_ca, None)
            .await
            .unwrap_err()
    );
    assert!(error.contains("UnknownIssuer"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_expired_certificate_is_refused() -> anyhow::Result<()> {
    let folder = Folder::new("tls")?;
    let certificates = Certificates::create(folder.path())?;
    let Some(server) = server(certificates.expired_tls(), "no").await? else {
        return Ok(());
    };
    let error = format!(
        "{:#}",
        ping(&server, &certificates.ca, None).await.unwrap_err()
    );
    assert!(error.contains("expired"), "{error}");
    Ok(())
}

#[tokio::test]
async fn mutual_tls_lets_the_client_certificate_in() -> anyhow::Result<()> {
    let folder = Folder::new("tls")?;
    let certificates = Certificates::create(folder.path())?;
    let Some(server) = server(certificates.server_tls(), "yes").await? else {
        return Ok(());
    };
    assert!(ping(&server, &certificates.ca, None).await.is_err());
    let client = (&*certificates.client, &*certificates.client_key);
    assert_eq!(ping(&server, &certificates.ca, Some(client)).await?, "PONG");
    Ok(())
}

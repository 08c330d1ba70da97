//! Encrypted targets.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::binary::loadtest;
use crate::stub::weather;

/// A well-behaved target behind a certificate that nobody signed. Returns its port and the certificate.
async fn start() -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let router = Router::new()
        .route("/health/ready", get(|| async {}))
        .route(
            "/WeatherForecast/city",
            post(|Json(body): Json<Value>| async move { weather(&body) }),
        );

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate leaves during the handshake.
                if let Ok(tls) = acceptor.accept(tcp).await {
                    let http = auto::Builder::new(TokioExecutor::new());
                    let http = match tls.get_ref().1.alpn_protocol() {
                        Some(b"h2") => http.http2_only(),
                        _ => http.http1_only(),
                    };
                    let service = TowerToHyperService::new(router);
                    // It ends when the client leaves, however that looks from here.
                    let _ = http.serve_connection(TokioIo::new(tls), service).await;
                }
            });
        }
    });
    (port, certified.cert.pem())
}

#[tokio::test]
async fn a_certificate_is_trusted_if_the_machine_trusts_it() {
    let (port, certificate) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, certificate).unwrap();
    let url = format!("https://localhost:{port}");

    for arguments in ["--count 20", "--count 20 --http2"] {
        let trusting = loadtest(&url, arguments)
            .env("SSL_CERT_FILE", &file)
            .output()
            .await
            .unwrap();
        assert_eq!(trusting.status.code(), Some(0), "{trusting:?}");
        assert!(
            String::from_utf8(trusting.stdout)
                .unwrap()
                .contains("20 succeeded, 0 failed")
        );
    }

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()])
        .unwrap()
        .cert
        .pem();
    std::fs::write(&file, other).unwrap();
    let distrusting = loadtest(&url, "--count 1")
        .env("SSL_CERT_FILE", &file)
        .output()
        .await
        .unwrap();
    assert_eq!(distrusting.status.code(), Some(3), "{distrusting:?}");
    let stderr = String::from_utf8(distrusting.stderr).unwrap();
    assert!(
        stderr.contains("cannot connect") && stderr.contains("certificate"),
        "{stderr}"
    );
}

#[tokio::test]
async fn without_authorities_there_is_no_trust() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("none.pem");
    std::fs::write(&empty, "").unwrap();
    let output = loadtest("https://localhost:1", "--count 1")
        .env("SSL_CERT_FILE", &empty)
        .env("SSL_CERT_DIR", folder.path())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("no trusted certificate authorities"),
        "{stderr}"
    );
}

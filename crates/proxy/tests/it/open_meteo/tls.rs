//! The Open-Meteo provider over TLS: whom it trusts, and whom not.

use std::{path::Path, sync::Arc};

use proxy::{OpenMeteo, OpenMeteoConfig, ProviderError};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use testbed::Certificates;
use tokio_rustls::TlsAcceptor;

use super::{soon, stub::Stub};

/// A server with a certificate of its own authority for `localhost` and `127.0.0.1`.
fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&certificates.server).unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificates.server_key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_for_the_right_name_is_accepted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::create(folder.path()).unwrap();
    let stub = Stub::start_tls([127, 0, 0, 1], acceptor(&certificates)).await;
    // The certificate does not name this address.
    let elsewhere = Stub::start_tls([127, 0, 0, 2], acceptor(&certificates)).await;
    let ask = |host: &str, stub: &Stub, ca_file: Option<&Path>| {
        let base = format!("https://{host}:{}", stub.port());
        let provider = OpenMeteo::new(OpenMeteoConfig {
            ca_file: ca_file.map(Path::to_owned),
            attempts: 1.try_into().unwrap(),
            ..stub.config_at(&base)
        })
        .unwrap();
        async move { provider.weather("Berlin", soon()).await }
    };

    ask("localhost", &stub, Some(&certificates.ca))
        .await
        .unwrap();
    ask("127.0.0.1", &stub, Some(&certificates.ca))
        .await
        .unwrap();
    for refused in [
        ask("127.0.0.2", &elsewhere, Some(&certificates.ca)).await,
        ask("localhost", &stub, Some(&certificates.other_ca)).await,
        ask("localhost", &stub, None).await,
    ] {
        assert!(
            matches!(refused, Err(ProviderError::Unreachable(_))),
            "{refused:?}"
        );
    }
    assert_eq!(
        stub.seen().len() + elsewhere.seen().len(),
        4,
        "nothing was sent to whom cannot be trusted"
    );
}

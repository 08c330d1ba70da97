//! The Open-Meteo provider over TLS: whom it trusts, and whom not.

use std::path::Path;

use proxy::{OpenMeteo, OpenMeteoConfig, ProviderError};
use testbed::Certificates;

use super::{soon, stub::Stub};

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_for_the_right_name_is_accepted_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::create(folder.path()).unwrap();
    let acceptor = certificates.server_tls().acceptor().unwrap();
    let stub = Stub::start_tls([127, 0, 0, 1], acceptor.clone()).await;
    // The certificate does not name this address.
    let elsewhere = Stub::start_tls([127, 0, 0, 2], acceptor).await;
    let ask = |host: &str, stub: &Stub, ca_file: Option<&Path>| {
        let base = format!("https://{host}:{}", stub.port());
        let provider = OpenMeteo::new(OpenMeteoConfig {
            ca_file: ca_file.map(Path::to_owned),
            attempts: 1.try_into().unwrap(),
            ..stub.config_at(&base)
        })
        .unwrap();
        async move { provider.weather("Berlin", soon(), None).await }
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

//! How this project's services connect to others over HTTP: by TLS for `https://`, and never without looking at the
//! certificate.

use std::{path::Path, sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Why no HTTPS client can be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the certificate authorities cannot be read, or holds something else.
    #[error("cannot be read as PEM: {0}")]
    File(#[from] rustls::pki_types::pem::Error),
    /// The file with the certificate authorities holds none.
    #[error("holds no certificate")]
    NoCertificate,
    /// A certificate or the set-up was refused.
    #[error("is refused: {0}")]
    Refused(#[from] rustls::Error),
}

/// Connects over HTTP/1.1. `connect_timeout` bounds the TCP connect; `ca_file` replaces the public certificate
/// authorities, which are built in.
///
/// # Errors
///
/// Where the file is none with certificates.
pub fn connector(
    connect_timeout: Duration,
    ca_file: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, TlsError> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls(ca_file)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut authorities = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file)? {
                authorities.add(certificate?)?;
            }
            if authorities.is_empty() {
                return Err(TlsError::NoCertificate);
            }
        }
        None => authorities.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    // The provider is named here because a process-wide default would depend on what else is linked in.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities)
        .with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_authorities_are_enough() {
        assert!(connector(Duration::from_secs(1), None).is_ok());
    }

    #[test]
    fn a_file_without_authorities_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let error = tls(Some(&file)).expect_err("no such file");
        assert!(matches!(error, TlsError::File(_)), "{error}");
        std::fs::write(&file, "nothing here").unwrap();
        let error = tls(Some(&file)).expect_err("an empty file");
        assert!(matches!(error, TlsError::NoCertificate), "{error}");
    }
}

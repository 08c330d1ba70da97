//! TLS to Redis: the certificates, and what is said when the two ends do not agree.
//!
//! Certificates are always checked, against the public authorities or those of the CA file. rustls names what is
//! wrong by its own terms; whoever reads the log wants to know which file or server to mend.

use std::{io, path::Path, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;
use webpki_roots::TLS_SERVER_ROOTS;

use super::{WireError, exchange::Unanswered, file::read};
use crate::{config::ClientCertificate, error::Fault};

/// What speaks TLS by these certificates. They are read anew so that renewed ones are picked up.
pub(super) async fn connector(
    ca_file: Option<&Path>,
    client_certificate: Option<&ClientCertificate>,
) -> Result<TlsConnector, WireError> {
    let mut trusted = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            for certificate in read_certificates(file).await? {
                let added = trusted.add(certificate);
                added.map_err(|_| unusable(file, "a broken certificate"))?;
            }
        }
        None => trusted.extend(TLS_SERVER_ROOTS.iter().cloned()),
    }
    let config = ClientConfig::builder().with_root_certificates(trusted);
    let config = match client_certificate {
        None => config.with_no_client_auth(),
        Some(files) => {
            let chain = read_certificates(&files.certificate_file).await?;
            let key = read_key(&files.key_file).await?;
            config.with_client_auth_cert(chain, key).map_err(|error| {
                let what = format!("the client certificate and its key cannot be used: {error}");
                WireError::new(Fault::Tls, what)
            })?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What to do about an error of a connection that is one of TLS; `None` where it is not.
///
/// rustls reports what it does not trust, or does not understand, as invalid data.
pub(super) fn advice(error: &io::Error) -> Option<String> {
    if error.kind() != io::ErrorKind::InvalidData {
        return None;
    }
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    Some(match cause.and_then(what_to_do) {
        Some(advice) => format!("{advice} ({error})"),
        None => error.to_string(),
    })
}

/// What is said of a new connection that brought no answer.
///
/// TLS 1.3 lets a client speak before the server has looked at its certificate: one that the server does not accept
/// shows as a connection that was made, and is closed.
pub(super) fn unanswered(unanswered: Unanswered, encrypted: bool) -> WireError {
    match (&unanswered, encrypted) {
        (Unanswered::Closed, true) => WireError::new(
            Fault::Tls,
            "the server ended the connection at once: it asks for a client certificate, or does not trust our client \
             certificate",
        ),
        // A server that waits for TLS closes or resets a connection without, or sends an alert, which is no answer.
        (Unanswered::Closed | Unanswered::Malformed(_) | Unanswered::Io(_), false) => {
            WireError::new(
                Fault::Disconnected,
                format!("{unanswered}; if it speaks TLS, use rediss://"),
            )
        }
        _ => unanswered.into(),
    }
}

fn what_to_do(error: &rustls::Error) -> Option<&'static str> {
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext { .. } => {
                "no trusted authority has signed the server's certificate: put the one that did into the CA file"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired: renew it, or set this machine's clock"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet: set the clock of this machine or of the authority"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host: use a name from it in the URL, or add this one to it"
            }
            _ => return None,
        },
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure => {
                "the server asks for a client certificate: give one, with its key"
            }
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => {
                "the server does not trust our client certificate: give one that its authority has signed, and that \
                 has not expired"
            }
            _ => return None,
        },
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS on this port: try redis://, or its TLS port"
        }
        _ => return None,
    })
}

/// What a PEM file holds, at least one certificate and nothing broken.
async fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let pem = read(file, Fault::Tls).await?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unusable(file, "a broken certificate"))?;
    match certificates.is_empty() {
        true => Err(unusable(file, "no certificate")),
        false => Ok(certificates),
    }
}

async fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, WireError> {
    let pem = read(file, Fault::Tls).await?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| unusable(file, "no private key"))
}

/// What is in the file is not repeated: it may be a key.
fn unusable(file: &Path, holds: &str) -> WireError {
    let what = format!("{} holds {holds}: it must be a PEM file", file.display());
    WireError::new(Fault::Tls, what)
}

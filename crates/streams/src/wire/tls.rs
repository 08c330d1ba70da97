//! TLS to Redis: the certificates, and what is said when the two ends do not agree.
//!
//! Certificates are always checked, against the public authorities or those of the CA file. rustls names what is
//! wrong by its own terms; whoever reads the log wants to know which file or server to mend.

use std::{error::Error, io, path::Path, sync::Arc};

use redis::{ClientTlsConfig, RedisError, TlsCertificates};
use rustls::{
    AlertDescription, CertificateError,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{WireError, file::read};
use crate::{config::ClientCertificate, error::Fault};

/// The certificates that the settings name, read anew so that renewed ones are picked up; `None` where they name none.
pub(super) async fn certificates(
    ca_file: Option<&Path>,
    client_certificate: Option<&ClientCertificate>,
) -> Result<Option<TlsCertificates>, WireError> {
    if ca_file.is_none() && client_certificate.is_none() {
        return Ok(None);
    }
    let root_cert = match ca_file {
        Some(file) => Some(read_certificates(file).await?),
        None => None,
    };
    let client_tls = match client_certificate {
        Some(files) => Some(ClientTlsConfig {
            client_cert: read_certificates(&files.certificate_file).await?,
            client_key: read_key(&files.key_file).await?,
        }),
        None => None,
    };
    Ok(Some(TlsCertificates {
        client_tls,
        root_cert,
    }))
}

/// What to do about a connection that failed for a reason of TLS; `None` where that was not the reason.
///
/// rustls reports what it does not trust, or does not understand, as invalid data.
pub(super) fn advice(error: &RedisError) -> Option<String> {
    let io = io_error(error).filter(|io| io.kind() == io::ErrorKind::InvalidData)?;
    let cause = io
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    Some(match cause.and_then(what_to_do) {
        Some(advice) => format!("{advice} ({io})"),
        None => io.to_string(),
    })
}

/// What is said of a new connection that ended before the server answered anything.
///
/// TLS 1.3 lets a client speak before the server has looked at its certificate: one that the server does not accept
/// shows as a connection that was made, and is closed.
pub(super) fn unanswered(error: RedisError, encrypted: bool) -> WireError {
    let closed = io_error(&error).is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe);
    let timed_out = error.is_timeout();
    let mut error = WireError::from(error);
    match (closed, encrypted) {
        (true, true) => WireError::new(
            Fault::Tls,
            "the server ended the connection at once: it asks for a client certificate, or does not trust our client \
             certificate",
        ),
        (true, false) => {
            error.message +=
                ": the server ended the connection at once; if it speaks TLS, use rediss://";
            error
        }
        (false, true) if timed_out => {
            error.message += ": the server is slow, or does not speak TLS on this port";
            error
        }
        (false, _) => error,
    }
}

/// The redis crate folds TLS failures into I/O errors, and hides those in an `Arc` that downcasts to
/// nothing but itself.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    error
        .source()?
        .downcast_ref::<Arc<dyn Error + Send + Sync>>()?
        .downcast_ref::<io::Error>()
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

/// The bytes of a PEM file that holds at least one certificate, and nothing broken.
async fn read_certificates(file: &Path) -> Result<Vec<u8>, WireError> {
    let pem = read(file, Fault::Tls).await?;
    let count = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unusable(file, "a broken certificate"))?
        .len();
    match count {
        0 => Err(unusable(file, "no certificate")),
        _ => Ok(pem),
    }
}

async fn read_key(file: &Path) -> Result<Vec<u8>, WireError> {
    let pem = read(file, Fault::Tls).await?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(_) => Ok(pem),
        Err(_) => Err(unusable(file, "no private key")),
    }
}

/// What is in the file is not repeated: it may be a key.
fn unusable(file: &Path, holds: &str) -> WireError {
    let what = format!("{} holds {holds}: it must be a PEM file", file.display());
    WireError::new(Fault::Tls, what)
}

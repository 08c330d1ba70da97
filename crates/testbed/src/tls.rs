//! Certificates for tests: a private authority and what it signed, valid, expired and for another host, and what
//! another authority signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// What a TLS server is given: PEM files.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Certificates of the authorities whose clients it trusts.
    pub ca: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
    /// The key of its certificate.
    pub key: PathBuf,
}

impl ServerTls {
    /// For a server in this process, which does not ask who its clients are.
    pub fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let chain: Result<_, _> = CertificateDer::pem_file_iter(&self.certificate)?.collect();
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain?, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// PEM files in one folder. Names are valid for `localhost` and `127.0.0.1`, but for [`elsewhere`](Self::elsewhere).
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The private authority.
    pub ca: PathBuf,
    /// An authority that signed none of these.
    pub other_ca: PathBuf,
    /// A server certificate, valid now.
    pub server: PathBuf,
    /// The key of [`server`](Self::server).
    pub server_key: PathBuf,
    /// A server certificate that ended years ago.
    pub expired: PathBuf,
    /// The key of [`expired`](Self::expired).
    pub expired_key: PathBuf,
    /// A server certificate, valid now, for a host that is not this one.
    pub elsewhere: PathBuf,
    /// The key of [`elsewhere`](Self::elsewhere).
    pub elsewhere_key: PathBuf,
    /// A client certificate, valid now, for mutual TLS.
    pub client: PathBuf,
    /// The key of [`client`](Self::client).
    pub client_key: PathBuf,
    /// A client certificate, valid now, that [`other_ca`](Self::other_ca) signed.
    pub stranger: PathBuf,
    /// The key of [`stranger`](Self::stranger).
    pub stranger_key: PathBuf,
}

impl Certificates {
    /// Makes them all anew, as files in `folder`.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let ca = authority("testbed private authority")?;
        let other_ca = authority("testbed unrelated authority")?;
        let here = ["localhost", "127.0.0.1"];
        let for_server = |hosts: &[&str], last_year| {
            let usage = ExtendedKeyUsagePurpose::ServerAuth;
            issue(&ca.issuer, hosts, usage, last_year)
        };
        let for_client = |authority: &Authority| {
            let usage = ExtendedKeyUsagePurpose::ClientAuth;
            issue(&authority.issuer, &["client"], usage, 2100)
        };
        let (server, server_key) = for_server(&here, 2100)?;
        let (expired, expired_key) = for_server(&here, 2021)?;
        let (elsewhere, elsewhere_key) = for_server(&["redis.example"], 2100)?;
        let (client, client_key) = for_client(&ca)?;
        let (stranger, stranger_key) = for_client(&other_ca)?;
        Ok(Self {
            ca: save(folder, "ca.pem", &ca.pem)?,
            other_ca: save(folder, "other-ca.pem", &other_ca.pem)?,
            server: save(folder, "server.pem", &server)?,
            server_key: save(folder, "server.key", &server_key)?,
            expired: save(folder, "expired.pem", &expired)?,
            expired_key: save(folder, "expired.key", &expired_key)?,
            elsewhere: save(folder, "elsewhere.pem", &elsewhere)?,
            elsewhere_key: save(folder, "elsewhere.key", &elsewhere_key)?,
            client: save(folder, "client.pem", &client)?,
            client_key: save(folder, "client.key", &client_key)?,
            stranger: save(folder, "stranger.pem", &stranger)?,
            stranger_key: save(folder, "stranger.key", &stranger_key)?,
        })
    }

    /// For a server that clients of [`ca`](Self::ca) trust.
    pub fn server_tls(&self) -> ServerTls {
        ServerTls {
            ca: self.ca.clone(),
            certificate: self.server.clone(),
            key: self.server_key.clone(),
        }
    }

    /// For a server whose certificate has expired.
    pub fn expired_tls(&self) -> ServerTls {
        ServerTls {
            ca: self.ca.clone(),
            certificate: self.expired.clone(),
            key: self.expired_key.clone(),
        }
    }

    /// For a server whose certificate is another host's.
    pub fn elsewhere_tls(&self) -> ServerTls {
        ServerTls {
            ca: self.ca.clone(),
            certificate: self.elsewhere.clone(),
            key: self.elsewhere_key.clone(),
        }
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority(name: &str) -> anyhow::Result<Authority> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok(Authority {
        issuer: Issuer::new(params, key),
        pem,
    })
}

/// A certificate for these hosts and its key, valid from 2020 to the end of `last_year`.
fn issue(
    issuer: &Issuer<'_, KeyPair>,
    hosts: &[&str],
    usage: ExtendedKeyUsagePurpose,
    last_year: i32,
) -> anyhow::Result<(String, String)> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "testbed");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}

fn save(folder: &Path, name: &str, pem: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, pem).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

//! TLS to Redis: with a private authority, with a certificate of our own, and what is said when one of them is wrong.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use streams::{
    Client, ClientCertificate, ClientConfig, Fault, NotReady, RedisConfig, WorkerConfig,
};
use testbed::{Certificates, Folder, RedisServer, ServerTls, not_run};
use tokio::time::{Instant, sleep};

use crate::{
    log::Log,
    scene::Scene,
    support::{Service, becomes},
};

/// A server that asks its clients for a certificate.
const ASKS: (&str, &str) = ("tls-auth-clients", "yes");

/// How long a way in that is refused is looked at.
const WINDOW: Duration = Duration::from_millis(2_500);

/// Certificates, and a server that speaks TLS alone; `None` if the installed one cannot.
struct Encrypted {
    certificates: Certificates,
    folder: Folder,
    service: Service,
}

impl Encrypted {
    async fn start(tls: fn(&Certificates) -> ServerTls, config: &[(&str, &str)]) -> Option<Self> {
        if !RedisServer::supports_tls().unwrap() {
            not_run("TLS to Redis", "there is no TLS in the server");
            return None;
        }
        let folder = Folder::new("tls").unwrap();
        let certificates = Certificates::create(folder.path()).unwrap();
        let mut redis = RedisServer::builder().tls(tls(&certificates));
        for (name, value) in config {
            redis = redis.config(name, value);
        }
        let redis = redis.start().await.unwrap();
        Some(Self {
            service: Service::on(redis),
            certificates,
            folder,
        })
    }

    /// What trusts the server and shows the right certificate.
    fn redis(&self) -> RedisConfig {
        let Certificates {
            client, client_key, ..
        } = &self.certificates;
        RedisConfig {
            ca_file: Some(self.certificates.ca.clone()),
            client_certificate: own(client, client_key),
            ..RedisConfig::new(self.service.redis.url())
        }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        file
    }

    /// A client that goes in like this is told `words`, is not ready, and tries once a second and no more.
    async fn refuses(&self, redis: RedisConfig, words: &str) {
        let log = Log::capture();
        let client = ClientConfig {
            redis,
            ..self.service.client_config()
        };
        let tried = async || -> u64 {
            let stats = self.service.redis.info("stats").await.unwrap();
            stats["total_connections_received"].parse().unwrap()
        };
        let (before, began) = (tried().await, Instant::now());
        let client = Client::connect(client).await.unwrap();
        becomes(Err(NotReady::Redis(Fault::Tls)), async || {
            client.readiness()
        })
        .await;
        sleep(WINDOW).await;
        assert_eq!(client.readiness(), Err(NotReady::Redis(Fault::Tls)));
        let faults = client.health().faults;
        assert!(faults["reader"].contains(words), "{words}: {faults:?}");
        let lines = log.lines(&["WARN", "fault=\"tls\"", words]);
        assert!(!lines.is_empty(), "{words}: {:?}", log.lines(&["WARN"]));
        assert!(
            lines.iter().all(|line| !line.contains("PRIVATE")),
            "{lines:?}"
        );
        // One of them is the look at the count. At first each of the three parts may try.
        let tries = tried().await - before - 1;
        let most = 3.0 + began.elapsed().as_secs_f64();
        assert!(
            (tries as f64) <= most,
            "{words}: {tries} tries, {most} at most"
        );
    }
}

fn own(certificate: &Path, key: &Path) -> Option<ClientCertificate> {
    Some(ClientCertificate {
        certificate_file: certificate.to_owned(),
        key_file: key.to_owned(),
    })
}

#[tokio::test]
async fn mutual_tls_with_a_private_authority() {
    let Some(encrypted) = Encrypted::start(Certificates::server_tls, &[ASKS]).await else {
        return;
    };
    let redis = encrypted.redis();
    assert!(redis.url.starts_with("rediss://"));
    let client = ClientConfig {
        redis: redis.clone(),
        ..encrypted.service.client_config()
    };
    let worker = WorkerConfig {
        redis,
        ..encrypted.service.worker_config()
    };
    let Encrypted {
        service,
        folder: _folder,
        ..
    } = encrypted;
    let scene = Scene::with(service, client, worker).await;
    scene.recovers().await;
    let kill = ["CLIENT", "KILL", "TYPE", "normal"];
    scene.service.redis.command::<()>(&kill).await.unwrap();
    scene.recovers().await;
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_refused() {
    let Some(encrypted) = Encrypted::start(Certificates::server_tls, &[]).await else {
        return;
    };
    let with_ca = |ca_file| RedisConfig {
        ca_file,
        client_certificate: None,
        ..encrypted.redis()
    };
    let missing = encrypted.folder.path().join("no-such-file.pem");
    let empty = encrypted.file("empty.pem", "");
    let broken = encrypted.file("broken.pem", "-----BEGIN CERTIFICATE-----\n???\n");
    let other = encrypted.certificates.other_ca.clone();
    let sign = "no trusted authority has signed the server's certificate: put the one that did into the CA file";
    encrypted.refuses(with_ca(Some(other)), sign).await;
    // The public ones.
    encrypted.refuses(with_ca(None), sign).await;
    encrypted
        .refuses(with_ca(Some(missing)), "no-such-file.pem cannot be read")
        .await;
    encrypted
        .refuses(with_ca(Some(empty)), "empty.pem holds no certificate")
        .await;
    encrypted
        .refuses(
            with_ca(Some(broken)),
            "broken.pem holds a broken certificate",
        )
        .await;
}

#[tokio::test]
async fn a_certificate_that_has_expired_or_is_another_hosts_is_refused() {
    for (tls, words) in [
        (
            Certificates::expired_tls as fn(&_) -> _,
            "the server's certificate has expired: renew it",
        ),
        (
            Certificates::elsewhere_tls,
            "the server's certificate is for another host",
        ),
    ] {
        let Some(encrypted) = Encrypted::start(tls, &[]).await else {
            return;
        };
        encrypted.refuses(encrypted.redis(), words).await;
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_or_a_strangers_is_refused() {
    let missing = "asks for a client certificate";
    let strange = "does not trust our client certificate";
    for protocol in ["TLSv1.3", "TLSv1.2"] {
        let config = [ASKS, ("tls-protocols", protocol)];
        let Some(encrypted) = Encrypted::start(Certificates::server_tls, &config).await else {
            return;
        };
        let with = |client_certificate| RedisConfig {
            client_certificate,
            ..encrypted.redis()
        };
        let Certificates {
            client,
            stranger,
            stranger_key,
            ..
        } = &encrypted.certificates;
        encrypted.refuses(with(None), missing).await;
        encrypted
            .refuses(with(own(stranger, stranger_key)), strange)
            .await;
        let swapped = with(own(client, client));
        encrypted
            .refuses(swapped, "client.pem holds no private key")
            .await;
    }
}

/// One end speaks TLS and the other does not: the fault is one of the network, and the words say what else it may be.
#[tokio::test]
async fn whoever_confuses_tls_and_none_is_told() {
    let Some(encrypted) = Encrypted::start(Certificates::server_tls, &[]).await else {
        return;
    };
    let plain = Service::start().await;
    let number = |service: &Service| service.redis.port();
    for (service, url, words) in [
        (
            &plain,
            format!("rediss://127.0.0.1:{}", number(&plain)),
            "does not speak TLS on this port",
        ),
        (
            &encrypted.service,
            format!("redis://127.0.0.1:{}", number(&encrypted.service)),
            "if it speaks TLS, use rediss://",
        ),
    ] {
        let mut config = service.client_config();
        config.redis = RedisConfig::new(url);
        config.redis.connect_timeout = Duration::from_millis(300);
        let client = Client::connect(config).await.unwrap();
        becomes(true, async || {
            let faults = client.health().faults;
            faults
                .get("reader")
                .is_some_and(|fault| fault.contains(words))
        })
        .await;
        assert!(client.readiness().is_err());
    }
}

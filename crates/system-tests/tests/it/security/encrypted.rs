//! Both services over mutual TLS with a private authority, and what they say where that cannot be.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use testbed::{
    Certificates, Folder, HttpClient, Port, Process, RedisServer, binary, eventually, not_run,
};

use crate::callers::all_served;
use crate::system::{Allowed, Kind, LONG, System};

/// A Redis that asks its clients for a certificate and forgets nothing, and what its clients need.
async fn mutual() -> anyhow::Result<Option<(Folder, Certificates, System)>> {
    if !RedisServer::supports_tls()? {
        not_run("mutual TLS", "there is no TLS in the server");
        return Ok(None);
    }
    let folder = Folder::new("certificates")?;
    let certificates = Certificates::create(folder.path())?;
    let redis = RedisServer::builder()
        .tls(certificates.server_tls())
        .config("tls-auth-clients", "yes");
    let mut builder = System::builder().redis(redis);
    for (name, file) in files(&certificates) {
        let file = file.to_str().context("a path")?;
        builder = builder.ingress(name, file).proxy(name, file);
    }
    Ok(Some((folder, certificates, builder.start().await?)))
}

fn files(certificates: &Certificates) -> [(&'static str, &Path); 3] {
    [
        ("REDIS_CA_FILE", &certificates.ca),
        ("REDIS_CERT_FILE", &certificates.client),
        ("REDIS_KEY_FILE", &certificates.client_key),
    ]
}

#[tokio::test]
async fn both_services_over_mutual_tls() -> anyhow::Result<()> {
    let Some((_folder, _certificates, mut system)) = mutual().await? else {
        return Ok(());
    };
    assert!(system.redis().url().starts_with("rediss://"));
    all_served(system.callers(0, 20)).await;
    // All connections are made anew; a drain wakes a blocked read through TLS as well.
    system.redis().kill_hard().await?;
    system.until_ingresses_unready().await?;
    system.redis().start_again().await?;
    system.until_ready().await?;
    all_served(system.callers(0, 20)).await;
    system.add_proxy(&[]).await?;
    system.proxy(0).leave().await?;
    all_served(system.callers(0, 20)).await;
    system.finish(Allowed::redis_fault()).await?;
    Ok(())
}

/// Each service in turn is given what does not fit. It lives, is not ready, says what to do, shows no key, and is
/// ready as soon as the file is the right one: nobody restarts it.
#[tokio::test]
async fn what_does_not_fit_is_one_clear_line_and_mended_without_a_restart() -> anyhow::Result<()> {
    let Some((folder, certificates, mut system)) = mutual().await? else {
        return Ok(());
    };
    let client = HttpClient::new()?;
    for (kind, wrong, file, words) in [
        (
            Kind::Ingress,
            "REDIS_CA_FILE",
            &certificates.other_ca,
            "put the one that did into the CA file",
        ),
        (
            Kind::Proxy,
            "REDIS_CA_FILE",
            &certificates.other_ca,
            "put the one that did into the CA file",
        ),
        (
            Kind::Proxy,
            "REDIS_CERT_FILE",
            &certificates.stranger,
            "does not trust our client certificate",
        ),
        (
            Kind::Ingress,
            "REDIS_KEY_FILE",
            &certificates.client,
            "holds no private key",
        ),
    ] {
        let mut settings = files(&certificates).map(|(name, file)| (name, file.to_owned()));
        let given = folder.path().join("given.pem");
        fs::copy(file, &given)?;
        let mut right = None;
        for (name, file) in &mut settings {
            if *name == wrong {
                right = Some(std::mem::replace(file, given.clone()));
            } else if wrong == "REDIS_CERT_FILE" && *name == "REDIS_KEY_FILE" {
                // A certificate goes with its own key, and this one is mended together with it.
                file.clone_from(&certificates.stranger_key);
            }
        }
        let right = right.context("one of the three")?;
        let key_right = fs::read(&certificates.client_key)?;
        let key_wrong = fs::read(&certificates.stranger_key)?;

        let port = Port::reserve()?;
        let address = format!("127.0.0.1:{}", port.number());
        let user = kind.program();
        let process = Process::builder(user, binary(user)?)
            .env("LISTEN", &address)
            .env("LOG_FORMAT", "json")
            .env("REDIS_URL", system.redis().url())
            .env("REDIS_USERNAME", user)
            .env(
                "REDIS_PASSWORD",
                format!("{}_PASSWORD", user.to_uppercase()),
            )
            .envs(settings.iter().map(|(name, file)| (*name, file)))
            .spawn()?;
        let get = async |path: &str| client.get(&format!("http://{address}{path}"), LONG).await;
        process.wait_for_log(words, LONG).await?;
        ensure!(get("/health/ready").await?.status == 503, "{user} {wrong}");
        ensure!(get("/health/live").await?.status == 200, "{user} {wrong}");
        let health = get("/health").await?.text();
        ensure!(health.contains(words), "{user} {wrong}: {health}");
        for line in process.log().lines().filter(|line| line.contains(words)) {
            ensure!(
                line.contains("\"fault\":\"tls\"") && line.contains("trying again"),
                "{line}"
            );
        }

        fs::copy(&right, &given)?;
        if wrong == "REDIS_CERT_FILE" {
            fs::write(&certificates.stranger_key, &key_right)?;
        }
        let mended = Instant::now();
        eventually(LONG, async || {
            let ready = get("/health/ready").await?;
            ensure!(ready.status == 200, "{user} {wrong}: {}", ready.text());
            Ok(())
        })
        .await?;
        let took = mended.elapsed().as_secs_f64();
        system.report(format!(
            "{wrong} of {user} mended: ready again after {took:.2} s"
        ));
        process.terminate()?;
        ensure!(process.wait_exit(LONG).await?.success());
        // Not before: it takes a connection to leave, and certificates are read for each.
        fs::write(&certificates.stranger_key, &key_wrong)?;
        ensure!(!process.log().contains("PRIVATE KEY"), "{}", process.log());
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

//! Sends each argument to the echo backend and prints what comes back.
//!
//! `cargo run -p streams --example echo_client -- redis://127.0.0.1:6379 hello world`

use std::{io::Write, time::Duration};

use streams::{Client, ClientConfig, Options, StreamNames};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let redis = args
        .next()
        .unwrap_or_else(|| "redis://127.0.0.1:6379".into());
    let client =
        Client::connect(ClientConfig::new(redis, StreamNames::for_service("echo"))).await?;
    for body in args {
        let reply = client
            .request(body, Options::within(Duration::from_secs(5)))
            .await?;
        let text = String::from_utf8_lossy(&reply.body);
        writeln!(
            std::io::stdout(),
            "{text} (waited {:?}, worked {:?})",
            reply.queue,
            reply.work
        )?;
    }
    Ok(())
}

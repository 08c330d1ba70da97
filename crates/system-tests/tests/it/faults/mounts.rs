//! What needs file systems of one's own: a disk that is full, a name that leads elsewhere.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use testbed::{Folder, RedisServer, eventually};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::equipment::own_mounts;
use crate::redis_restarts::{exposed, hold, served, survives};
use crate::system::{Kind, LONG, System};

/// Fault 28: the disk of Redis's append-only file is full. It refuses writes, callers get 503, and all is well as soon
/// as there is room.
#[tokio::test]
async fn the_disk_of_redis_is_full() -> anyhow::Result<()> {
    let Some(own) = own_mounts("row 28, a full disk") else {
        return Ok(());
    };
    // The socket by which the test gets in stays outside. `$@` is the program with its arguments.
    let script = "mkdir disk && mount -t tmpfs -o size=4m tmpfs disk && exec \"$@\"";
    let through = own.into_iter().chain(["sh", "-c", script, "sh"]);
    let redis = RedisServer::builder().through(through);
    let redis = redis.aof(true).config("dir", "disk");
    // A ledger would need the file that is in the way here.
    let mut system = exposed().without_ledger().redis(redis).start().await?;
    survives(&mut system, "the disk is full", async |system| {
        // Through the process, whose file system it is.
        let redis = system.redis();
        let root = PathBuf::from(format!("/proc/{}/root", redis.pid()));
        let disk = root.join(redis.dir().strip_prefix("/")?).join("disk");
        let filler = disk.join("filler");
        fill(&filler)?;
        until_persistence(system, "err").await?;
        hold(system).await?;
        fs::remove_file(&filler)?;
        until_persistence(system, "ok").await
    })
    .await?;
    served(system, 0.3).await
}

/// Writes to a new file until there is no room for one byte more.
fn fill(path: &Path) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write};
    let mut file = fs::File::create(path)?;
    for size in [64 << 10, 1] {
        loop {
            match file.write(&vec![0; size]) {
                Ok(_) => {}
                Err(full) if full.kind() == ErrorKind::StorageFull => break,
                Err(other) => return Err(other.into()),
            }
        }
    }
    Ok(())
}

async fn until_persistence(system: &System, status: &str) -> anyhow::Result<()> {
    eventually(LONG, async || {
        let told = system.redis().info("persistence").await?;
        let told = told.get("aof_last_write_status").map(String::as_str);
        anyhow::ensure!(told == Some(status), "the append-only file is {told:?}");
        Ok(())
    })
    .await
}

/// Fault 48: the name of Redis leads nowhere, and then to another address. It is resolved for each connection, so that
/// all follow.
#[tokio::test]
async fn the_name_of_redis_moves_to_another_address() -> anyhow::Result<()> {
    let Some(own) = own_mounts("row 48, an address that changes") else {
        return Ok(());
    };
    let folder = Folder::new("names")?;
    let (hosts, resolver) = (
        folder.path().join("hosts"),
        folder.path().join("resolv.conf"),
    );
    fs::write(&hosts, "127.0.0.1 redis.test\n")?;
    // Nobody answers there: a name that is not in the file is not found, and at once.
    fs::write(
        &resolver,
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )?;
    let script = format!(
        "mount --bind '{}' /etc/hosts && mount --bind '{}' /etc/resolv.conf && \
         export REDIS_URL=$(echo \"$REDIS_URL\" | sed s/127.0.0.1/redis.test/) && exec \"$0\"",
        hosts.display(),
        resolver.display()
    );
    let through: Vec<&str> = own.into_iter().chain(["sh", "-c", &script]).collect();
    let mut system = exposed()
        .line()
        .through(Kind::Ingress, through.clone())
        .through(Kind::Proxy, through)
        .start()
        .await?;
    let port = system.line().port();
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).await?;
    survives(
        &mut system,
        "the name of Redis leads nowhere, then elsewhere",
        async |system| {
            fs::write(&hosts, "127.0.0.1 localhost\n")?;
            system.line().cut().await?;
            hold(system).await?;
            tokio::spawn(forward(listener, system.redis().port()));
            fs::write(&hosts, "127.0.0.2 redis.test\n")?;
            Ok(())
        },
    )
    .await?;
    assert_eq!(
        system.line().connections(),
        0,
        "all went to the new address"
    );
    served(system, 0.2).await
}

/// The new address.
async fn forward(listener: TcpListener, redis: u16) -> anyhow::Result<()> {
    loop {
        let (mut client, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, redis)).await?;
            copy_bidirectional(&mut client, &mut server).await
        });
    }
}

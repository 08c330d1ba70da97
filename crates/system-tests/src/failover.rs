//! A replica and sentinels, and what becomes of the books when the replica takes over.

use std::fs;
use std::path::Path;

use anyhow::Context;
use testbed::{RedisServer, RedisServerBuilder, Sentinels, TcpProxy};

use super::System;

/// Who takes over from Redis, and who decides when.
pub(super) struct Guard {
    replica: RedisServer,
    sentinels: Sentinels,
}

impl Guard {
    /// Replica and sentinels know the primary by the line that leads to it, and tell everybody of that.
    pub(super) async fn start(
        primary: &RedisServer,
        line: &TcpProxy,
        replica: RedisServerBuilder,
    ) -> anyhow::Result<Self> {
        let replica = replica
            .replica_of(primary)
            .config("replicaof", &format!("127.0.0.1 {}", line.port()))
            .start()
            .await?;
        let sentinels = Sentinels::builder(primary).by_way_of(line.port());
        let sentinels = sentinels.start().await?;
        Ok(Self { replica, sentinels })
    }

    pub(super) fn url(&self) -> String {
        self.sentinels.url()
    }
}

impl System {
    /// The sentinels, of a system that was built with them.
    pub fn sentinels(&self) -> &Sentinels {
        &self.guard().sentinels
    }

    /// What follows the primary: the replica, or after a failover the old primary.
    pub fn replica(&self) -> &RedisServer {
        &self.guard().replica
    }

    /// Cuts the primary off from its replica and from the sentinels, while who is connected to it stays so; nobody
    /// else can connect any more. [`heal`](Self::heal) ends it.
    pub async fn partition(&self) -> anyhow::Result<()> {
        self.note("the primary is cut off from its replica and the sentinels");
        // Nobody listens there.
        self.line().redirect(1);
        let list: String = self.redis.command(&["CLIENT", "LIST"]).await?;
        let field = |line: &str, name: &str| {
            let field = line.split(' ').find_map(|field| field.strip_prefix(name));
            field.map(str::to_owned)
        };
        for line in list.lines() {
            let is_theirs = line.contains(" name=sentinel-") || line.contains(" flags=S");
            if let (true, Some(id)) = (is_theirs, field(line, "id=")) {
                let kill = ["CLIENT", "KILL", "ID", &id];
                self.redis.command::<u64>(&kill).await?;
            }
        }
        Ok(())
    }

    /// Everybody can reach the server on the line again, whatever it is now.
    pub fn heal(&self, server: &RedisServer) {
        self.note("the line is whole again");
        self.line().redirect(server.port());
    }

    /// The replica is the primary from now on: it is what [`redis`](Self::redis) gives, and what must be well at the
    /// end. What the old one wrote down is kept as it stands at this moment; it forgets when it becomes a replica.
    pub fn failed_over(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.as_ref().context("the folder was given up")?;
        let former = folder.subfolder("former")?;
        copy(self.redis.dir(), former.path())?;
        self.former = Some(former);
        let guard = self.guard.as_mut().expect("built with sentinels");
        std::mem::swap(&mut self.redis, &mut guard.replica);
        Ok(())
    }

    fn guard(&self) -> &Guard {
        self.guard.as_ref().expect("built with sentinels")
    }
}

/// Copies an append-only file, which is one file or a folder of them.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with("appendonly")
        {
            continue;
        }
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to)?;
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::{env, fs};

use anyhow::{Context, ensure};
use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use super::RedisServer;
use crate::folder::Folder;
use crate::ports::Port;
use crate::process::{Process, ProcessBuilder};
use crate::program::find_program;
use crate::tls::ServerTls;

/// How often a start is tried when something else took the port between its choice and the start.
const PORT_ATTEMPTS: usize = 5;
/// The longest path of a Unix socket that Linux takes, without the closing NUL.
const SOCKET_PATH_MAX: usize = 107;
/// The ACL user, and its password, of the test itself, of replicas and sentinels, where there are ACL rules.
pub(super) const CONTROL_USER: &str = "testbed";

/// A server to start. Each method adds to what `redis.conf` says.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RedisServerBuilder {
    port: Option<u16>,
    folder: Option<PathBuf>,
    primary: Option<Primary>,
    config: Vec<(String, String)>,
    through: Vec<String>,
    access: Access,
    sentinel: bool,
}

/// How clients get in.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub(super) password: Option<String>,
    /// Lines of an ACL file.
    pub(super) acl: Option<String>,
    pub(super) tls: Option<ServerTls>,
}

#[derive(Clone, Debug)]
struct Primary {
    port: u16,
    access: Access,
}

impl RedisServerBuilder {
    /// Takes this TCP port instead of a free one; a port in use is an error.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Keeps its files in this folder, which must exist and stay. Without this the server has a temporary one.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Turns the append-only file on, written to disk each second; it is off otherwise.
    pub fn aof(self, on: bool) -> Self {
        self.config("appendonly", if on { "yes" } else { "no" })
    }

    /// Turns the append-only file on in the form that a [`Ledger`](crate::Ledger) can be read from: every command
    /// since the start, never rewritten, and in the file before anybody is told that it was carried out. Where the
    /// file is synchronised each second, a write is put off while that is under way.
    pub fn ledger(self) -> Self {
        self.aof(true)
            .config("aof-use-rdb-preamble", "no")
            .config("auto-aof-rewrite-percentage", "0")
            .config("appendfsync", "no")
    }

    /// Adds a line to `redis.conf`, its value written as it would be there. It wins over what stood before it:
    /// `.config("maxmemory", "10mb")`, `.config("save", "60 1")`.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.config.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server, also when it is started again, by a command that is given the program and its arguments and
    /// runs it in its own place: `&["env", "LD_PRELOAD=..."]`.
    pub fn through<W: Into<String>>(mut self, command: impl IntoIterator<Item = W>) -> Self {
        self.through = command.into_iter().map(Into::into).collect();
        self
    }

    /// Asks all clients for this password, which must be fit for a URL as it is.
    pub fn password(mut self, password: &str) -> Self {
        self.access.password = Some(password.to_owned());
        self
    }

    /// Starts with these ACL users: lines of an ACL file, `user NAME on >PASSWORD ~keys +commands`. A user
    /// `testbed` with all rights is added, by which the test itself gets in; `default` is as Redis sets it unless
    /// a line says otherwise. It does not go together with [`password`](Self::password).
    pub fn acl(mut self, lines: impl Into<String>) -> Self {
        self.access.acl = Some(lines.into());
        self
    }

    /// Whether anybody may do anything: neither [`acl`](Self::acl) nor [`password`](Self::password) was asked for.
    pub fn is_open(&self) -> bool {
        self.access.acl.is_none() && self.access.password.is_none()
    }

    /// Speaks TLS, and only TLS, on its port. A client may show a certificate; with
    /// `.config("tls-auth-clients", "yes")` it must.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.access.tls = Some(tls);
        self
    }

    /// Follows that server, and has its ACL users. The start then waits for the first synchronisation.
    pub fn replica_of(mut self, primary: &RedisServer) -> Self {
        self.access.acl.clone_from(&primary.access.acl);
        self.primary = Some(Primary {
            port: primary.port(),
            access: primary.access.clone(),
        });
        self
    }

    /// Watches over other servers instead of keeping data.
    pub(super) fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts the server and waits until it answers, for at most 30 s.
    ///
    /// The program is the one that `REDIS_SERVER` names, else `redis-server` on `PATH`.
    pub async fn start(self) -> anyhow::Result<RedisServer> {
        let mut attempt = 1;
        loop {
            let port = match self.port {
                Some(number) => Port::exact(number)?,
                None => Port::reserve()?,
            };
            let server = self.spawn(port)?;
            match server.wait_ready().await {
                Ok(()) if self.primary.is_some() => {
                    return server.wait_for_primary().await.map(|()| server);
                }
                Ok(()) => return Ok(server),
                Err(_)
                    if self.port.is_none()
                        && attempt < PORT_ATTEMPTS
                        && port_was_taken(&server) =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn(&self, port: Port) -> anyhow::Result<RedisServer> {
        ensure!(
            self.access.acl.is_none() || self.access.password.is_none(),
            "set a password or ACL lines, not both"
        );
        let program = server_program()?;
        let folder = match &self.folder {
            Some(folder) => Folder::borrowed(folder)?,
            None => Folder::new("redis")?,
        };
        let socket = folder.path().join("redis.sock");
        ensure!(
            socket.as_os_str().len() <= SOCKET_PATH_MAX,
            "too long for a Unix socket: {}",
            socket.display()
        );
        if let Some(lines) = &self.access.acl {
            let lines = format!("user {CONTROL_USER} on >{CONTROL_USER} ~* &* +@all\n{lines}\n");
            fs::write(folder.path().join("users.acl"), lines)?;
        }
        fs::write(
            folder.path().join("redis.conf"),
            self.redis_conf(folder.path(), port.number()),
        )?;
        let process =
            server_process(&program, folder.path(), &self.through, self.sentinel).spawn()?;
        Ok(RedisServer {
            process: Mutex::new(Arc::new(process)),
            control: self.control(socket)?,
            program,
            through: self.through.clone(),
            folder,
            port,
            access: self.access.clone(),
            sentinel: self.sentinel,
        })
    }

    /// The test's own way in.
    fn control(&self, socket: PathBuf) -> anyhow::Result<redis::Client> {
        let mut login = RedisConnectionInfo::default();
        if self.access.acl.is_some() {
            login = login.set_username(CONTROL_USER).set_password(CONTROL_USER);
        } else if let Some(password) = &self.access.password {
            login = login.set_password(password);
        }
        // Which would count as commands wherever a server's are counted.
        let login = login.set_skip_set_lib_name();
        let address = ConnectionAddr::Unix(socket).into_connection_info()?;
        Ok(redis::Client::open(address.set_redis_settings(login))?)
    }

    fn redis_conf(&self, folder: &Path, port: u16) -> String {
        let folder = folder.display();
        let mut conf = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(conf, "{name} {value}");
        };
        line("bind", "127.0.0.1");
        line("unixsocket", &format!("\"{folder}/redis.sock\""));
        line("dir", &format!("\"{folder}\""));
        line("daemonize", "no");
        line("save", "\"\"");
        line("appendonly", "no");
        // A replica of a test's handful of keys need not wait five seconds for others to join the transfer.
        line("repl-diskless-sync-delay", "0");
        match &self.access.tls {
            Some(tls) => {
                line("port", "0");
                line("tls-port", &port.to_string());
                line(
                    "tls-cert-file",
                    &format!("\"{}\"", tls.certificate.display()),
                );
                line("tls-key-file", &format!("\"{}\"", tls.key.display()));
                line("tls-ca-cert-file", &format!("\"{}\"", tls.ca.display()));
                line("tls-auth-clients", "optional");
            }
            None => line("port", &port.to_string()),
        }
        if let Some(password) = &self.access.password {
            line("requirepass", &format!("\"{password}\""));
        }
        if self.access.acl.is_some() {
            line("aclfile", &format!("\"{folder}/users.acl\""));
            // In case that it ever follows another server, which has the same users.
            line("masteruser", CONTROL_USER);
            line("masterauth", CONTROL_USER);
        }
        if let Some(primary) = &self.primary {
            line("replicaof", &format!("127.0.0.1 {}", primary.port));
            if let Some(password) = &primary.access.password {
                line("masterauth", &format!("\"{password}\""));
            }
            if primary.access.tls.is_some() {
                line("tls-replication", "yes");
            }
        }
        for (name, value) in &self.config {
            line(name, value);
        }
        conf
    }
}

impl RedisServer {
    /// Whether the server program was built with TLS; a few are not.
    pub fn supports_tls() -> anyhow::Result<bool> {
        // It stops at the first setting it cannot use: the TLS one if it has none, else the wrong port.
        let output = Command::new(server_program()?)
            .args(["--tls-port", "0", "--port", "none"])
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(
            !output.status.success(),
            "the server accepted a wrong port: {said}"
        );
        Ok(!said.contains("tls-port"))
    }
}

pub(super) fn server_process(
    program: &Path,
    folder: &Path,
    through: &[String],
    sentinel: bool,
) -> ProcessBuilder {
    let builder = match through {
        [] => Process::builder("redis", program),
        [command, args @ ..] => Process::builder("redis", command).args(args).arg(program),
    };
    builder
        .arg("redis.conf")
        .args(sentinel.then_some("--sentinel"))
        .folder(folder)
}

pub(super) fn server_program() -> anyhow::Result<PathBuf> {
    match env::var_os("REDIS_SERVER") {
        Some(name) => find_program(&name)
            .with_context(|| format!("REDIS_SERVER names no program that can be started: {}", name.display())),
        None => find_program("redis-server").context(
            "redis-server is not on PATH: install the package redis-server (Debian, Ubuntu: apt-get install \
             redis-server; Fedora, macOS: redis), or name a program in REDIS_SERVER",
        ),
    }
}

fn port_was_taken(server: &RedisServer) -> bool {
    server.log().contains("Address already in use")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[tokio::test]
    async fn a_port_lost_between_choice_and_start_is_recognised() {
        let port = Port::reserve().unwrap();
        let _thief = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).unwrap();
        let server = RedisServer::builder().spawn(port).unwrap();
        assert!(server.wait_ready().await.is_err());
        assert!(port_was_taken(&server), "{}", server.log());
    }

    #[tokio::test]
    async fn password_and_acl_lines_do_not_go_together() {
        let both = RedisServer::builder()
            .password("secret")
            .acl("user default off");
        assert!(both.start().await.is_err());
    }
}

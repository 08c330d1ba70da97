//! `--health`: asks the process that runs with the same settings whether it is ready, for health checks in images that
//! have neither a shell nor curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use clap::{Arg, ArgAction, ArgMatches, Command};

const FLAG: &str = "health";

/// How long all of it may take: less than health checks usually allow.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than the answer has; whatever else listens there may send what it likes.
const LONGEST_ANSWER: usize = 16 << 10;

/// The program with the flag beside its settings.
pub(super) fn with_flag(command: Command) -> Command {
    command.arg(
        Arg::new(FLAG)
            .long(FLAG)
            .action(ArgAction::SetTrue)
            .help("Asks the process that runs with these settings whether it is ready, and ends: with code 0 if it is"),
    )
}

/// Whom to ask, if that was asked for: the process on the address for probes where it has one.
pub(super) fn target(matches: &ArgMatches) -> Option<SocketAddr> {
    if !matches.get_flag(FLAG) {
        return None;
    }
    let address = |id| matches.try_get_one::<SocketAddr>(id).ok().flatten();
    let listens_on = address("admin_listen").or_else(|| address("listen"))?;
    // Who listens on every address of the host listens on this one.
    let ip = match listens_on.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Some(SocketAddr::new(ip, listens_on.port()))
}

/// Whether the process there is ready, or one line why not.
pub(super) fn ask(address: SocketAddr) -> Result<(), String> {
    let answer = exchange(address).map_err(|error| format!("{address}: {error}"))?;
    let ready = answer
        .strip_prefix("HTTP/1.1 ")
        .is_some_and(|rest| rest.starts_with("200 "));
    match ready {
        true => Ok(()),
        false => Err(format!(
            "{address}: not ready: {}",
            answer.lines().last().unwrap_or_default().escape_debug()
        )),
    }
}

fn exchange(address: SocketAddr) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let request =
        format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while answer.len() < LONGEST_ANSWER {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        connection.set_read_timeout(Some(left))?;
        match connection.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Asks somebody who gives this answer to whatever comes.
    fn asked(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = connection.read(&mut request).unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let outcome = ask(address);
        assert!(
            server
                .join()
                .unwrap()
                .starts_with("GET /health/ready HTTP/1.1\r\n")
        );
        outcome
    }

    #[test]
    fn ready_is_what_answers_200_and_nothing_else() {
        assert_eq!(asked("HTTP/1.1 200 OK\r\n\r\n{}"), Ok(()));
        let refused = asked("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"reason\":\"draining\"}");
        assert!(
            refused
                .unwrap_err()
                .ends_with(r#"not ready: {\"reason\":\"draining\"}"#)
        );
        for other in [
            "",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "+PONG\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n",
        ] {
            assert!(asked(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(ask(address).unwrap_err().starts_with(&address.to_string()));
    }

    #[test]
    fn the_address_for_probes_is_asked_where_there_is_one() {
        let command = || {
            let address = |name| {
                Arg::new(name)
                    .long(name)
                    .value_parser(clap::value_parser!(SocketAddr))
            };
            with_flag(Command::new("test"))
                .arg(address("listen").default_value("0.0.0.0:5009"))
                .arg(address("admin_listen"))
        };
        let target = |flags: &[&str]| {
            let words = ["test"].iter().chain(flags);
            target(&command().get_matches_from(words)).map(|address| address.to_string())
        };
        assert_eq!(target(&[]), None);
        assert_eq!(target(&["--health"]).as_deref(), Some("127.0.0.1:5009"));
        let flags = ["--health", "--admin_listen", "[::]:9000"];
        assert_eq!(target(&flags).as_deref(), Some("[::1]:9000"));
        let flags = ["--health", "--listen", "192.0.2.7:1"];
        assert_eq!(target(&flags).as_deref(), Some("192.0.2.7:1"));
    }
}

//! An Open-Meteo that answers as it is told, over raw sockets, so that it can misbehave in every way a
//! real one can. Both questions go to it; the path tells them apart.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use proxy::OpenMeteoConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What the stub does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A complete response with this status, these further header lines and this body.
    Response(u16, &'static str, String),
    /// Nothing, with the connection open.
    Silence,
    /// A response whose body never ends.
    Endless,
    /// A response that arrives a byte at a time and never gets anywhere.
    Drip,
    /// Half a body, then a reset of the connection.
    Reset,
    /// Bytes that are no HTTP.
    Noise,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) user_agent: Option<String>,
}

#[derive(Debug, Default)]
struct Script {
    /// What to do with the next requests, in order; after that, [`Answer::good`].
    answers: VecDeque<Answer>,
    seen: Vec<Seen>,
}

/// Stops with the test's runtime.
#[derive(Debug)]
pub(crate) struct Stub {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Response(200, "", body.into())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Response(status, "", r#"{"error":true,"reason":"told so"}"#.into())
    }

    /// What the real service says about Berlin on a winter's day.
    fn good(path: &str) -> Self {
        Self::ok(match path {
            "/v1/search" => {
                r#"{"results":[{"id":2950159,"name":"Berlin","latitude":52.52437,"longitude":13.41053,
                "elevation":74.0,"feature_code":"PPLC","country_code":"DE"}],"generationtime_ms":0.9}"#
            }
            _ => {
                r#"{"latitude":52.52,"longitude":13.42,"generationtime_ms":0.04,"utc_offset_seconds":0,
                "current_units":{"time":"iso8601","interval":"seconds","temperature_2m":"°C"},
                "current":{"time":"2025-12-24T15:45","interval":900,"temperature_2m":-1.6,"weather_code":3}}"#
            }
        })
    }
}

impl Stub {
    /// Answers the first requests as told and all later ones well.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::listen([127, 0, 0, 1], answers, None).await
    }

    /// Answers well, over TLS, on this loopback address.
    pub(crate) async fn start_tls(address: [u8; 4], acceptor: TlsAcceptor) -> Self {
        Self::listen(address, [], Some(acceptor)).await
    }

    /// A provider's settings for this stub, with time for a busy machine.
    pub(crate) fn config(&self) -> OpenMeteoConfig {
        self.config_at(&format!("http://{}", self.address))
    }

    /// The same for a stub that goes by another scheme or name.
    pub(crate) fn config_at(&self, base: &str) -> OpenMeteoConfig {
        OpenMeteoConfig {
            geocoding_url: format!("{base}/v1/search").parse().unwrap(),
            forecast_url: format!("{base}/v1/forecast").parse().unwrap(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
            attempts: 3.try_into().unwrap(),
            ca_file: None,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    /// What was searched and what was forecast, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.path).collect()
    }

    async fn listen(
        address: [u8; 4],
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind((IpAddr::from(address), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script {
            answers: answers.into_iter().collect(),
            ..Script::default()
        }));
        let stub = Self {
            address,
            script: script.clone(),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, tls) = (script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        // A client that refuses the certificate ends the handshake.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &script).await;
                            }
                        }
                        None => {
                            let reset = stream_to_reset(&stream);
                            if converse(stream, &script).await == Ending::Reset {
                                reset.set_linger(Some(Duration::ZERO)).unwrap();
                            }
                        }
                    }
                });
            }
        });
        stub
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ending {
    Closed,
    Reset,
}

/// A second handle: a socket that lingers for no time is reset when its last handle closes.
fn stream_to_reset(stream: &TcpStream) -> socket2::Socket {
    socket2::SockRef::from(stream).try_clone().unwrap()
}

/// Answers the requests of one connection until the client leaves or the script says so.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: &Mutex<Script>,
) -> Ending {
    while let Some(seen) = read_request(&mut stream).await {
        let answer = {
            let mut script = script.lock().unwrap();
            let answer = script
                .answers
                .pop_front()
                .unwrap_or_else(|| Answer::good(&seen.path));
            script.seen.push(seen);
            answer
        };
        // Writing fails when the client has had enough, which some answers provoke.
        match answer {
            Answer::Response(status, headers, body) => {
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\n{headers}\r\n");
                if stream
                    .write_all(format!("{head}{body}").as_bytes())
                    .await
                    .is_err()
                {
                    return Ending::Closed;
                }
            }
            Answer::Silence => std::future::pending().await,
            Answer::Endless => {
                let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n{\"results\":[".to_vec();
                while stream.write_all(&bytes).await.is_ok() {
                    bytes = vec![b' '; 16 << 10];
                }
                return Ending::Closed;
            }
            Answer::Drip => {
                let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n".to_vec();
                while stream.write_all(&bytes).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    bytes = vec![b' '];
                }
                return Ending::Closed;
            }
            Answer::Reset => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n{\"results\":[";
                stream.write_all(half).await.unwrap();
                return Ending::Reset;
            }
            Answer::Noise => {
                stream
                    .write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
                    .await
                    .unwrap();
                return Ending::Closed;
            }
        }
    }
    Ending::Closed
}

/// `None` where the client has left.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(Seen {
        path: path.to_owned(),
        query: pairs
            .map(|(name, value)| (decode(name), decode(value)))
            .collect(),
        user_agent: lines
            .find_map(|line| line.strip_prefix("user-agent: "))
            .map(str::to_owned),
    })
}

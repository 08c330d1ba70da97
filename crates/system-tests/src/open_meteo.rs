//! A provider of weather behind the proxies, in the words of Open-Meteo, well or not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What it does with the requests to come.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// Answers in its usual time, a fifth more or less.
    Well,
    /// Answers in this time, a fifth more or less.
    Slow(Duration),
    /// Answers with this status.
    Status(u16),
    /// Resets the connection.
    Reset,
    /// Answers with what is no HTTP.
    Garbage,
    /// Begins a body that never ends.
    Endless,
    /// Sends a byte now and then.
    Drip,
    /// Says nothing.
    Silence,
}

/// Ends with the runtime that started it.
pub struct OpenMeteo {
    address: SocketAddr,
    behaviour: watch::Sender<Behaviour>,
    asked: Arc<AtomicUsize>,
}

impl OpenMeteo {
    /// Starts one that takes this long for a question when it is well; a request for weather has two.
    pub async fn start(usual: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (behaviour, orders) = watch::channel(Behaviour::Well);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((stream, _)) = listener.accept().await {
                turn += 1;
                let (orders, count) = (orders.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    // Callers hang up on most of what it does.
                    let _ = converse(stream, turn, usual, &orders, &count).await;
                });
            }
        });
        Ok(Self {
            address,
            behaviour,
            asked,
        })
    }

    /// Where to ask the question of this name.
    pub fn url(&self, question: &str) -> String {
        format!("http://{}/v1/{question}", self.address)
    }

    /// Does so from the next question on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// How many requests it had so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

const PLACE: &str =
    r#"{"results":[{"name":"There","latitude":52.5,"longitude":13.4,"country_code":"DE"}]}"#;
const WEATHER: &str = r#"{"utc_offset_seconds":0,"current_units":{"temperature_2m":"°C"},
    "current":{"time":"2025-12-24T15:45","interval":900,"temperature_2m":-1.6,"weather_code":3}}"#;

async fn converse(
    stream: TcpStream,
    mut turn: u32,
    usual: Duration,
    orders: &watch::Receiver<Behaviour>,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).await? > 2 {
            head.push_str(&line);
            line.clear();
        }
        if head.is_empty() {
            return Ok(());
        }
        count.fetch_add(1, Ordering::Relaxed);
        let body = match head.contains("/search") {
            true => PLACE,
            false => WEATHER,
        };
        let behaviour = *orders.borrow();
        let (status, wait) = match behaviour {
            Behaviour::Well => (200, usual),
            Behaviour::Slow(wait) => (200, wait),
            Behaviour::Status(status) => (status, usual),
            other => return misbehave(stream.into_inner(), other).await,
        };
        // Answers that all took the same time would come in step for ever.
        let varied = 0.8 + 0.4 * f64::from(turn % 8) / 7.0;
        turn = turn.wrapping_add(3);
        sleep(wait.mul_f64(varied)).await;
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} Told\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn misbehave(mut stream: TcpStream, behaviour: Behaviour) -> std::io::Result<()> {
    let head = b"HTTP/1.1 200 Told\r\ncontent-length: 60000\r\n\r\n{\"results\":[";
    match behaviour {
        Behaviour::Reset => {
            stream.write_all(head).await?;
            stream.set_zero_linger()
        }
        Behaviour::Garbage => stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n").await,
        Behaviour::Endless => {
            stream.write_all(b"HTTP/1.1 200 Told\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 16 << 10]).await?;
            }
        }
        Behaviour::Drip => {
            stream.write_all(head).await?;
            loop {
                sleep(Duration::from_millis(20)).await;
                stream.write_all(b" ").await?;
            }
        }
        _ => std::future::pending().await,
    }
}

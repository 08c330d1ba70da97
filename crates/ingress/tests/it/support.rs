//! An ingress in this process, and a worker that does what the name of the city tells it.

use std::{
    ffi::OsString,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    message::{FailureCode, WeatherReply, WeatherRequest},
    shutdown::{Shutdown, Trigger},
    trace::Tracer,
};
use ingress::Config;
use prometheus::Registry;
use service::{Endpoints, Process, ServiceError, settings::parse_from};
use streams::{Failure, Request, StreamNames, Worker, WorkerConfig};
use testbed::{Answer, HttpClient, Port, RawConnection, RedisServer, eventually};
use tokio::{sync::Notify, task::JoinHandle};

/// Longer than anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) struct Ingress {
    pub(crate) base: String,
    pub(crate) admin: Option<String>,
    http: HttpClient,
    trigger: Trigger,
    ended: JoinHandle<Result<(), ServiceError>>,
}

impl Ingress {
    /// An ingress with these flags on free ports.
    pub(crate) async fn start(redis_url: &str, flags: &[&str]) -> Self {
        let fixed = [
            "ingress",
            "--listen",
            "127.0.0.1:0",
            "--redis-url",
            redis_url,
        ];
        let args = fixed.iter().chain(flags).map(OsString::from);
        let config: Config = parse_from(args, Config::check).expect("these are good flags");
        let endpoints =
            Endpoints::bind(config.listen, config.http.admin_listen).expect("free ports");
        let address = |listener: &tokio::net::TcpListener| {
            format!("http://{}", listener.local_addr().expect("bound"))
        };
        let base = address(&endpoints.public);
        let admin = endpoints.admin.as_ref().map(address);
        let (trigger, shutdown) = Shutdown::manual();
        let process = Process {
            registry: Registry::new(),
            shutdown,
            tracer: Tracer::default(),
        };
        let ended = tokio::spawn(ingress::run(config, process, endpoints));
        Self {
            base,
            admin,
            http: HttpClient::new().expect("a client"),
            trigger,
            ended,
        }
    }

    /// An ingress for which there is no Redis: good for all that is decided before one is asked.
    pub(crate) async fn alone(flags: &[&str]) -> Self {
        let nobody = Port::reserve().expect("a free port");
        Self::start(&format!("redis://127.0.0.1:{}", nobody.number()), flags).await
    }

    /// An ingress that has found its Redis.
    pub(crate) async fn ready(redis: &RedisServer, flags: &[&str]) -> Self {
        let ingress = Self::start(&redis.url(), flags).await;
        ingress.until("/health/ready", 200).await;
        ingress
    }

    /// Waits until this path answers with this status.
    pub(crate) async fn until(&self, path: &str, status: u16) {
        eventually(PATIENCE, async || {
            let answer = self.get(path).await;
            anyhow::ensure!(
                answer.status == status,
                "{path}: {} {}",
                answer.status,
                answer.text()
            );
            Ok(())
        })
        .await
        .unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.http
            .get(&format!("{}{path}", self.base), PATIENCE)
            .await
            .expect("an answer")
    }

    /// Posts a body as JSON with further headers.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let headers: Vec<_> = std::iter::once(JSON)
            .chain(headers.iter().copied())
            .collect();
        self.post_as(&headers, body).await
    }

    /// Posts a body with these headers and no others.
    pub(crate) async fn post_as(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let url = format!("{}/WeatherForecast/city", self.base);
        self.http
            .post(&url, headers, body.into(), PATIENCE)
            .await
            .expect("an answer")
    }

    /// Asks for the weather in a city.
    pub(crate) async fn ask(&self, city: &str) -> Answer {
        self.post(&[], question(city)).await
    }

    pub(crate) async fn raw(&self) -> RawConnection {
        RawConnection::open(&self.base)
            .await
            .expect("the ingress accepts")
    }

    /// Starts the drain.
    pub(crate) fn leave(&self) {
        self.trigger.start();
    }

    /// Waits for the end of the drain.
    pub(crate) async fn left(self) {
        let ended = tokio::time::timeout(PATIENCE, self.ended)
            .await
            .expect("the drain ends");
        ended.expect("no panic").expect("no error");
    }
}

/// The body of a question.
pub(crate) fn question(city: &str) -> String {
    serde_json::json!({"city": city, "location": "Downtown"}).to_string()
}

/// A whole request for the weather in a city, as bytes.
pub(crate) fn request_bytes(city: &str) -> String {
    let body = question(city);
    let length = body.len();
    format!(
        "POST /WeatherForecast/city HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// The `type` of a problem, after a look at what all problems have.
pub(crate) fn problem(answer: &Answer) -> String {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{}",
        answer.text()
    );
    let document = answer.json().unwrap();
    assert_eq!(document["status"], answer.status, "{document}");
    for member in ["title", "detail"] {
        assert!(
            document[member]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{document}"
        );
    }
    assert!(
        document["requestId"]
            .as_str()
            .unwrap()
            .parse::<uuid::Uuid>()
            .is_ok(),
        "{document}"
    );
    assert!(answer.header("x-request-id").is_some());
    document["type"].as_str().unwrap().to_owned()
}

/// What the worker has seen and what it waits for.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// Every request, in the order of its delivery.
    pub(crate) seen: Mutex<Vec<Request>>,
    /// A request for `Waitingham` is in its terminal.
    pub(crate) entered: Notify,
    /// Lets a request for `Waitingham` go on.
    pub(crate) release: Notify,
}

/// A worker with this many terminals.
///
/// `Atlantis` is unknown, `Panicville` panics, `Failtown` fails, `Waitingham` waits to be released; everywhere
/// else there is weather.
pub(crate) async fn worker(redis: &RedisServer, terminals: usize) -> Arc<Stage> {
    let stage = Arc::new(Stage::default());
    let names = StreamNames {
        requests: "weather-requests".into(),
        responses: "weather-responses".into(),
        group: "weather-proxies".into(),
    };
    let worker = Worker::connect(WorkerConfig::new(redis.url(), names))
        .await
        .expect("good settings");
    let handler = {
        let stage = Arc::clone(&stage);
        move |request: Request| {
            let stage = Arc::clone(&stage);
            async move { serve(&stage, request).await }
        }
    };
    let monitor = worker.monitor();
    tokio::spawn(worker.serve(terminals, handler, std::future::pending()));
    tokio::time::timeout(PATIENCE, monitor.ready())
        .await
        .expect("the worker finds its Redis");
    stage
}

async fn serve(stage: &Stage, request: Request) -> Result<Vec<u8>, Failure> {
    stage.seen.lock().unwrap().push(request.clone());
    let question = WeatherRequest::parse(&request.body).expect("the ingress sends nothing else");
    match question.city() {
        "Atlantis" => {
            return Err(Failure::new(
                FailureCode::CityUnknown.as_str(),
                "No city is called \"Atlantis\".",
            ));
        }
        "Failtown" => {
            return Err(Failure::new(
                FailureCode::ProviderFailed.as_str(),
                "internal: 10.0.0.7 said 500",
            ));
        }
        "Panicville" => panic!("on purpose"),
        "Waitingham" => {
            stage.entered.notify_one();
            stage.release.notified().await;
        }
        _ => {}
    }
    let reply = WeatherReply::new(request.id, question, "2031-02-28".into(), 21, "Mild".into());
    Ok(serde_json::to_vec(&reply).expect("plain data"))
}

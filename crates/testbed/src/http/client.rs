use std::time::Duration;

use serde_json::json;

use super::{Answer, Failure};

/// A caller that keeps its connections alive and reuses them; a cheap clone shares them.
///
/// It speaks HTTP/1.1, follows no redirect and never sends a request twice of its own accord, except on another
/// connection when the reused one turned out to be closed before a byte was sent. Dropping a call closes the
/// connection it runs on.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// A caller with no connection yet.
    pub fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // Tests make servers close idle connections after two seconds; a request that crosses with that is lost.
            .pool_idle_timeout(Duration::from_secs(1))
            .build()?;
        Ok(Self(client))
    }

    /// Asks for a city's weather: `POST {base}/WeatherForecast/city`.
    pub async fn post_city(
        &self,
        base: &str,
        city: &str,
        location: &str,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let body = json!({ "city": city, "location": location }).to_string();
        let url = format!("{base}/WeatherForecast/city");
        self.post(
            &url,
            &[("content-type", "application/json")],
            body.into_bytes(),
            timeout,
        )
        .await
    }

    /// Sends a POST request with these headers and this body.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let mut request = self.0.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request, timeout).await
    }

    /// Sends a GET request.
    pub async fn get(&self, url: &str, timeout: Duration) -> Result<Answer, Failure> {
        answer(self.0.get(url), timeout).await
    }
}

async fn answer(request: reqwest::RequestBuilder, timeout: Duration) -> Result<Answer, Failure> {
    let exchange = async {
        let mut response = request.send().await?;
        let headers = std::mem::take(response.headers_mut());
        let headers = headers.iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        Ok(Answer {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.bytes().await?.into(),
        })
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(exchanged) => exchanged.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::NoAnswer(format!("{timeout:?}"))),
    }
}

fn failure(error: &reqwest::Error) -> Failure {
    // The outer texts only say that a request failed; the innermost one says why.
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let detail = innermost.to_string();
    if error.is_connect() {
        Failure::Connect(detail)
    } else {
        Failure::Broken(detail)
    }
}

//! What a browser is told by each answer.

use anyhow::ensure;
use testbed::Answer;

use crate::system::{Allowed, LONG, Service, System};

/// Another site, which is to get nothing from here by way of somebody's browser.
const ORIGIN: &str = "https://elsewhere.example";

async fn send(service: &Service, method: &str, path: &str, more: &str) -> anyhow::Result<Answer> {
    let mut connection = service.raw().await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: t\r\norigin: {ORIGIN}\r\n{more}content-length: 0\r\n\r\n"
    );
    connection.send(head).await?;
    connection.read_answer(LONG).await
}

/// Nothing is guessed from bytes, kept by caches, run as a page, framed or given to other sites, and nothing says
/// which software this is.
#[tokio::test]
async fn every_answer_says_that_it_is_no_page() -> anyhow::Result<()> {
    let system = System::start().await?;
    for service in system.services() {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/health"),
            ("GET", "/health/live"),
            ("GET", "/health/ready"),
            ("GET", "/metrics"),
            ("GET", "/terminals"),
            ("GET", "/nowhere"),
            ("DELETE", "/health"),
            ("POST", "/WeatherForecast/city"),
            ("GET", "/swagger"),
            ("GET", "/swagger/"),
            ("GET", "/swagger/nowhere"),
            ("GET", "/swagger/swagger-ui-bundle.js"),
            ("GET", "/swagger/v1/swagger.json"),
        ] {
            let answer = send(service, method, path, "").await?;
            let what = format!("{method} {path}: {} {:?}", answer.status, answer.headers);
            let header = |name| answer.header(name).unwrap_or_default();
            ensure!(header("x-content-type-options") == "nosniff", "{what}");
            ensure!(header("cache-control") == "no-store", "{what}");
            let policy = header("content-security-policy");
            for rule in ["default-src 'none'", "frame-ancestors 'none'"] {
                ensure!(policy.contains(rule), "{what}");
            }
            ensure!(!policy.contains("http") && !policy.contains('*'), "{what}");
            let is_script_allowed = policy.contains("script-src 'self';");
            let is_ui = path.starts_with("/swagger/s") || path == "/swagger/" || path == "/swagger";
            ensure!(is_script_allowed == is_ui, "{what}");
            for absent in ["server", "x-powered-by", "set-cookie"] {
                ensure!(answer.header(absent).is_none(), "{what}");
            }
            no_other_site(&answer);
        }
    }
    let allowed = Allowed::nothing().requests_beside_the_history();
    system.finish(allowed).await?;
    Ok(())
}

/// A browser asks before it sends JSON to another site, and is not told yes.
#[tokio::test]
async fn other_sites_are_allowed_nothing() -> anyhow::Result<()> {
    let system = System::start().await?;
    let asks =
        "access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n";
    let answer = send(system.ingress(0), "OPTIONS", "/WeatherForecast/city", asks).await?;
    assert_eq!(answer.status, 405);
    no_other_site(&answer);
    // What it sends without asking is no JSON, and refused.
    for simple in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let more = format!("content-type: {simple}\r\n");
        let answer = send(system.ingress(0), "POST", "/WeatherForecast/city", &more).await?;
        assert_eq!(answer.status, 415);
        no_other_site(&answer);
    }
    let allowed = Allowed::nothing().requests_beside_the_history();
    system.finish(allowed).await?;
    Ok(())
}

fn no_other_site(answer: &Answer) {
    for (name, _) in &answer.headers {
        assert!(!name.starts_with("access-control-"), "{:?}", answer.headers);
    }
}

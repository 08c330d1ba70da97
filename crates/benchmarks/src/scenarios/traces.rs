//! What traces cost: off, and with none, a hundredth and all of the requests recorded.

use axum::{Router, body::Bytes, routing::post};
use tokio::net::TcpListener;

use super::Bench;
use crate::load::Arrivals;
use crate::outcome::Outcome;
use crate::rounds::{Contender, in_turn};
use crate::system::{Kind, Spec};

/// 64 callers; spans go to a collector in this process, which reads and forgets them.
pub(super) async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = Router::new().route("/v1/traces", post(async |_spans: Bytes| ()));
    let collecting = tokio::spawn(async move { axum::serve(listener, app).await });
    let contenders = [
        ("off", None),
        ("0 %", Some("0")),
        ("1 %", Some("0.01")),
        ("100 %", Some("1")),
    ]
    .map(|(name, share)| {
        let mut spec = Spec::new(Kind::Ours);
        if let Some(share) = share {
            spec = spec
                .setting("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
                .setting("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
                .setting("OTEL_TRACES_SAMPLER_ARG", share);
        }
        Contender::ours(name.to_owned(), Arrivals::Callers(64), bench.adjust(spec))
    });
    let cases = in_turn(&contenders, bench.rounds(11, 4.0), &bench.tell).await?;
    collecting.abort();
    let ended = collecting.await;
    anyhow::ensure!(
        ended.is_err_and(|end| end.is_cancelled()),
        "the collector ended by itself"
    );
    let about = "traces by the share of requests that are recorded; 64 callers".to_owned();
    Ok(Outcome::each_against_first("traces", about, cases))
}

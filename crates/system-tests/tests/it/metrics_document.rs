//! `docs/metrics.md` is what operators read: it lists exactly what a running pair shows, with type and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, ensure};
use testbed::{Metrics, Outcome};

use crate::system::{Allowed, Kind, Service, System};

/// What is known of a metric: its type and the names of its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

type Families = BTreeMap<String, Family>;

#[tokio::test]
async fn the_document_lists_what_a_running_pair_shows() -> anyhow::Result<()> {
    // Some metrics are there only where traces are recorded. Nobody takes them here.
    let (name, nobody) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let builder = System::builder().ingress(name, nobody).proxy(name, nobody);
    let system = builder.start().await?;
    let outcome = system.ask(0).await;
    assert!(
        matches!(outcome, Outcome::Answer { status: 200, .. }),
        "{outcome}"
    );

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let document = fs::read_to_string(path).context(path)?;
    for kind in [Kind::Ingress, Kind::Proxy] {
        let service = match kind {
            Kind::Ingress => system.ingress(0),
            Kind::Proxy => system.proxy(0),
        };
        let documented = documented(&document, kind)?;
        let shown = shown(service).await?;
        let name = kind.program();
        for (metric, family) in &documented {
            let shown = shown
                .get(metric)
                .with_context(|| format!("{name} shows no {metric}"))?;
            assert_eq!(
                shown, family,
                "{metric} of {name}: what is shown, what is documented"
            );
        }
        let undocumented: Vec<_> = shown
            .keys()
            .filter(|metric| !documented.contains_key(*metric))
            .collect();
        assert!(
            undocumented.is_empty(),
            "not documented for {name}: {undocumented:?}"
        );
    }
    system.finish(Allowed::nothing()).await?;
    Ok(())
}

/// The tables under `## Both` and the service's own heading.
fn documented(document: &str, kind: Kind) -> anyhow::Result<Families> {
    let own = match kind {
        Kind::Ingress => "Ingress",
        Kind::Proxy => "Proxy",
    };
    let mut families = Families::new();
    let mut section = "";
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.trim();
        }
        if !line.starts_with("| `") || (section != "Both" && section != own) {
            continue;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        ensure!(cells.len() == 7, "not five cells: {line}");
        let name = cells[1].trim_matches('`').to_owned();
        let labels = cells[3]
            .split(',')
            .map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let family = Family {
            kind: cells[2].to_owned(),
            labels,
        };
        let before = families.insert(name, family);
        ensure!(before.is_none(), "listed twice: {line}");
    }
    ensure!(
        families.len() > 20,
        "only {} metrics of {own} found",
        families.len()
    );
    Ok(families)
}

/// What a service shows, histograms under their own name.
async fn shown(service: &Service) -> anyhow::Result<Families> {
    let text = service.get("/metrics").await?.text();
    let mut families = Families::new();
    for line in text.lines() {
        if let Some(("TYPE", declared)) = line
            .strip_prefix("# ")
            .and_then(|line| line.split_once(' '))
        {
            let (name, kind) = declared.split_once(' ').context(line.to_owned())?;
            let family = Family {
                kind: kind.to_owned(),
                labels: BTreeSet::new(),
            };
            families.insert(name.to_owned(), family);
        }
    }
    for sample in Metrics::parse(&text)?.samples() {
        let name = &sample.name;
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = name.strip_suffix(end)?;
            (families.get(family)?.kind == "histogram").then(|| family.to_owned())
        });
        let family = families.get_mut(of_histogram.as_ref().unwrap_or(name));
        let family = family.with_context(|| format!("{name} has no type"))?;
        family
            .labels
            .extend(sample.labels.keys().filter(|label| *label != "le").cloned());
    }
    Ok(families)
}

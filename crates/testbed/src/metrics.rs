//! What a service says about itself on `/metrics`, as numbers to compare.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::http::HttpClient;

/// The samples of one scrape, in Prometheus's text format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(Vec<Sample>);

/// One line: a name with its labels, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name; a histogram's lines end in `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Metrics {
    /// Reads them from a URL such as `http://127.0.0.1:5009/metrics`.
    pub async fn scrape(client: &HttpClient, url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let answer = client
            .get(url, timeout)
            .await
            .with_context(|| format!("could not scrape {url}"))?;
        ensure!(answer.status == 200, "{url} answers {}", answer.status);
        Self::parse(&answer.text())
    }

    /// Reads them from text; a line that is not in the format is an error.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| sample(line).with_context(|| format!("not a sample: {line:?}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of the sample with exactly these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.matching(name, labels)
            .find(|sample| sample.labels.len() == labels.len())
            .map(|sample| sample.value)
    }

    /// The sum over all samples that have these labels, whatever others they have. `None` if there is no such
    /// sample, so that a wrong name is not a zero.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.matching(name, labels)
            .map(|sample| sample.value)
            .reduce(|sum, value| sum + value)
    }

    /// All samples, in the order of the text.
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| {
            let has = |(label, value): &(&str, &str)| {
                sample
                    .labels
                    .get(*label)
                    .is_some_and(|known| known == value)
            };
            sample.name == name && labels.iter().all(has)
        })
    }
}

/// `name value`, `name{label="text",…} value`, each perhaps with a time stamp behind it.
fn sample(line: &str) -> Option<Sample> {
    let end_of_name = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end_of_name);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Reads up to the closing brace and returns what stands behind it.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.insert(name.trim().to_owned(), value);
        text = rest;
    }
}

/// Reads up to the closing quote; a backslash stands before a quote, a backslash and the `n` of a line end.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (end, '"') => return Some((value, &text[end + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            (_, plain) => value.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"
# HELP http_requests_total Requests by status.
# TYPE http_requests_total counter
http_requests_total{status="200",route="/a"} 5
http_requests_total{route="/a",status="503"} 2 1700000000000
http_requests_total{route="/b, \"c\"",status="200",} 1e2
pending_requests 0
wait_seconds_bucket{le="+Inf"} 7
temperature -1.5
broken NaN
"#;

    #[test]
    fn finds_one_sample_and_sums_over_many() {
        let metrics = Metrics::parse(TEXT).unwrap();
        assert_eq!(metrics.get("pending_requests", &[]), Some(0.0));
        assert_eq!(metrics.get("temperature", &[]), Some(-1.5));
        assert_eq!(
            metrics.get("http_requests_total", &[("route", "/a"), ("status", "503")]),
            Some(2.0)
        );
        assert_eq!(
            metrics.get(
                "http_requests_total",
                &[("route", "/b, \"c\""), ("status", "200")]
            ),
            Some(100.0)
        );
        assert_eq!(
            metrics.get("wait_seconds_bucket", &[("le", "+Inf")]),
            Some(7.0)
        );
        assert!(metrics.get("broken", &[]).unwrap().is_nan());
        assert_eq!(metrics.sum("http_requests_total", &[]), Some(107.0));
        assert_eq!(
            metrics.sum("http_requests_total", &[("status", "200")]),
            Some(105.0)
        );
    }

    #[test]
    fn what_is_not_there_is_not_zero() {
        let metrics = Metrics::parse(TEXT).unwrap();
        assert_eq!(
            metrics.get("http_requests_total", &[("status", "200")]),
            None
        );
        assert_eq!(metrics.get("pending_request", &[]), None);
        assert_eq!(metrics.sum("pending_request", &[]), None);
        assert_eq!(
            metrics.sum("http_requests_total", &[("status", "404")]),
            None
        );
    }

    #[test]
    fn refuses_what_is_not_in_the_format() {
        for line in [
            "name",
            "name{",
            "name{a=\"b} 1",
            "name{a=b} 1",
            "name one",
            "<html>",
        ] {
            assert!(Metrics::parse(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_any_label_value(value in any::<String>(), number in any::<i32>()) {
            let escaped = value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            // Carriage returns end a line for `str::lines` only before a line feed, which is escaped here.
            let metrics = Metrics::parse(&format!("name{{label=\"{escaped}\"}} {number}")).unwrap();
            prop_assert_eq!(metrics.get("name", &[("label", &value)]), Some(f64::from(number)));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = Metrics::parse(&text);
        }
    }
}

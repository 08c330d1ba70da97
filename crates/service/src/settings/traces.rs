//! Where traces go, by the variables of OpenTelemetry's specification, which differ from ours in two ways: an empty
//! value is as good as none, and times are in milliseconds. Times with a unit are taken as well.

use std::{path::PathBuf, time::Duration};

use axum::http::{HeaderName, HeaderValue, Uri};
use clap::{Args, ValueEnum, ValueHint};
use percent_encoding::percent_decode_str;

use super::duration;

/// What stands in for an empty value, as the specification says.
const USUAL_SAMPLER: &str = "parentbased_always_on";
const USUAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A collector that hangs holds up the spans behind it for so long at most.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Which spans are recorded, and where they are sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct Traces {
    /// Where spans go, by OTLP over HTTP, such as http://collector:4318; unset or empty: nowhere, nothing is recorded
    #[arg(long, env, default_value = "", hide_default_value = true, value_parser = endpoint, hide_env_values = true,
        value_hint = ValueHint::Url)]
    pub otel_exporter_otlp_endpoint: Optional<Uri>,
    /// How they are sent; there is one way
    #[arg(long, env, default_value = "http/protobuf", value_parser = protocol)]
    pub otel_exporter_otlp_protocol: Protocol,
    /// Headers to send along, as name=value,name=value with values percent-encoded; may hold a secret
    #[arg(long, env, default_value = "", hide_default_value = true, value_parser = headers, hide_env_values = true)]
    pub otel_exporter_otlp_headers: Pairs,
    /// How long sending may take: milliseconds, or a duration
    #[arg(long, env, default_value = "10s", value_parser = milliseconds)]
    pub otel_exporter_otlp_timeout: Duration,
    /// A PEM file with the certificate authorities to trust for https://, in place of the public ones
    #[arg(long, env, default_value = "", hide_default_value = true, value_parser = file)]
    pub otel_exporter_otlp_certificate: Optional<PathBuf>,
    /// Which traces are recorded; parentbased: as the caller's traceparent says, where there is one
    #[arg(long, env, default_value = "parentbased_always_on", value_parser = sampler)]
    pub otel_traces_sampler: SamplerChoice,
    /// The share of traces that traceidratio records, 0 to 1
    #[arg(long, env, default_value = "1", value_parser = share)]
    pub otel_traces_sampler_arg: f64,
    /// What the service is called in traces; unset: by the name of the program
    #[arg(long, env, default_value = "", hide_default_value = true, value_parser = name)]
    pub otel_service_name: Optional<String>,
    /// What else is said of this process, as name=value,name=value with values percent-encoded
    #[arg(long, env, default_value = "", hide_default_value = true, value_parser = pairs)]
    pub otel_resource_attributes: Pairs,
}

/// A value, or none where it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Optional<T>(pub Option<T>);

/// The one protocol that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol;

/// Names and values.
#[derive(Clone, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

/// Without the values: they may be secrets.
impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// What decides whether a trace is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SamplerChoice {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share of them.
    #[value(name = "traceidratio")]
    TraceIdRatio,
    /// Those of callers that are sampled, and all others.
    #[value(name = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// Those of callers that are sampled.
    #[value(name = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// Those of callers that are sampled, and a share of the others.
    #[value(name = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

impl Traces {
    /// Settings that are of use only together, in one line that names them.
    pub fn check(&self) -> Result<(), String> {
        let Optional(endpoint) = &self.otel_exporter_otlp_endpoint;
        let encrypted = |uri: &Uri| uri.scheme_str() == Some("https");
        let certificate = &self.otel_exporter_otlp_certificate.0;
        if certificate.is_some() && endpoint.as_ref().is_some_and(|uri| !encrypted(uri)) {
            return Err(
                "OTEL_EXPORTER_OTLP_CERTIFICATE: this is for https://, OTEL_EXPORTER_OTLP_ENDPOINT is not encrypted"
                    .into(),
            );
        }
        Ok(())
    }
}

fn endpoint(text: &str) -> Result<Optional<Uri>, String> {
    if text.is_empty() {
        return Ok(Optional(None));
    }
    let uri: Option<Uri> = text.parse().ok().filter(|uri: &Uri| {
        // A password in it would be shown: headers are for that.
        let secret = uri
            .authority()
            .is_some_and(|authority| authority.as_str().contains('@'));
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() && !secret
    });
    uri.map(|uri| Optional(Some(uri)))
        .ok_or_else(|| "is not the URL of a collector: http://host:4318 is expected".into())
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "" | "http/protobuf" => Ok(Protocol),
        _ => Err("is not spoken here: http/protobuf is, on a collector's port 4318".into()),
    }
}

fn file(text: &str) -> Result<Optional<PathBuf>, String> {
    Ok(Optional((!text.is_empty()).then(|| text.into())))
}

fn name(text: &str) -> Result<Optional<String>, String> {
    Ok(Optional((!text.is_empty()).then(|| text.into())))
}

fn sampler(text: &str) -> Result<SamplerChoice, String> {
    let text = if text.is_empty() { USUAL_SAMPLER } else { text };
    SamplerChoice::from_str(text, false).map_err(|_| {
        let known = SamplerChoice::value_variants().iter();
        let known = known.filter_map(ValueEnum::to_possible_value);
        let known: Vec<_> = known.map(|it| it.get_name().to_owned()).collect();
        format!("is not one of {}", known.join(", "))
    })
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let time = match text.parse() {
        Ok(millis) => Duration::from_millis(millis),
        Err(_) if text.is_empty() => USUAL_TIMEOUT,
        Err(_) => duration(text)?,
    };
    match (Duration::from_millis(1)..=LONGEST_TIMEOUT).contains(&time) {
        true => Ok(time),
        false => Err("is out of range: a time from 1ms to 60s is expected".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    if text.is_empty() {
        return Ok(1.0);
    }
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "is not a share: a number from 0 to 1 is expected".into())
}

fn pairs(text: &str) -> Result<Pairs, String> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let pairs: Option<Vec<_>> = parts.map(pair).collect();
    // It is not repeated, since it may hold a secret.
    pairs
        .map(Pairs)
        .ok_or_else(|| "is not a list: name=value,name=value is expected".into())
}

fn headers(text: &str) -> Result<Pairs, String> {
    let pairs = pairs(text)?;
    // What frames a request is none of theirs.
    let ours = [
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "host",
    ];
    let fits = |(name, value): &(String, String)| {
        HeaderName::try_from(name).is_ok_and(|name| !ours.contains(&name.as_str()))
            && HeaderValue::try_from(value).is_ok()
    };
    match pairs.0.iter().all(fits) {
        true => Ok(pairs),
        false => Err("holds what cannot be a header: name=value,name=value is expected".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        pairs(text).map(|pairs| pairs.0)
    }

    #[test]
    fn a_list_is_read_as_the_specification_says() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read("authorization=Basic%20YWJj, tenant = 7,"),
            Ok(vec![
                pair("authorization", "Basic YWJj"),
                pair("tenant", "7")
            ])
        );
        assert!(read("authorization").is_err());
        assert!(read("=value").is_err());
        assert!(headers("two words=1").is_err());
        assert!(headers("name=a%0d%0ab").is_err());
        assert!(headers("Content-Length=5").is_err());
    }

    #[test]
    fn a_time_is_in_milliseconds_or_has_a_unit() {
        assert_eq!(milliseconds("2500"), Ok(Duration::from_millis(2500)));
        assert_eq!(milliseconds("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(milliseconds(""), Ok(USUAL_TIMEOUT));
        for bad in ["0", "0s", "61s", "99999999999999999999"] {
            assert!(milliseconds(bad).is_err(), "{bad}");
        }
        assert!(milliseconds("soon").is_err());
    }

    #[test]
    fn an_endpoint_is_a_url_of_http_or_nothing() {
        assert_eq!(endpoint(""), Ok(Optional(None)));
        assert!(endpoint("http://collector:4318").is_ok());
        assert!(endpoint("https://collector/otlp").is_ok());
        for bad in [
            "collector:4318",
            "grpc://collector",
            "http://c?x=1",
            "http://a:b@c",
            "/v1",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_value_is_as_good_as_none() {
        #[derive(clap::Parser)]
        struct Settings {
            #[command(flatten)]
            traces: Traces,
        }
        let settings = |args: &[&str]| {
            let args = ["test"].iter().chain(args);
            format!("{:?}", Settings::try_parse_from(args).unwrap().traces)
        };
        let empty: Vec<_> = Settings::command()
            .get_arguments()
            .filter_map(|arg| arg.get_long().map(|name| format!("--{name}=")))
            .collect();
        assert_eq!(empty.len(), 9);
        let empty: Vec<_> = empty.iter().map(String::as_str).collect();
        assert_eq!(settings(&empty), settings(&[]));
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_refused(text in ".*") {
            let _ = headers(&text);
        }
    }
}

//! How a line looks.

use std::fmt::{self, Write as _};
use std::io;
use std::str::FromStr;

use thiserror::Error;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as lines};

use super::escape::{Escaped, escape_json};

/// What `LOG_FORMAT` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Readable lines, in colour on a terminal unless `NO_COLOR` is set.
    Text,
    /// One JSON object a line.
    Json,
}

/// A word that is no log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a log format: must be auto, text or json")]
pub struct InvalidLogFormat;

/// What is left of a format once it is known where the lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Text { colour: bool },
    Json,
}

impl FromStr for LogFormat {
    type Err = InvalidLogFormat;

    fn from_str(word: &str) -> Result<Self, InvalidLogFormat> {
        let formats = [Self::Auto, Self::Text, Self::Json];
        let format = formats.into_iter().find(|format| format.as_str() == word);
        format.ok_or(InvalidLogFormat)
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl LogFormat {
    const fn as_str(self) -> &'static str {
        match self {
            LogFormat::Auto => "auto",
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }

    pub(super) fn on(self, terminal: bool) -> Style {
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match self {
            LogFormat::Auto if !terminal => Style::Json,
            LogFormat::Auto | LogFormat::Text => Style::Text { colour },
            LogFormat::Json => Style::Json,
        }
    }
}

/// Writes each event that passes the filter as one line to `out`, in one call of `write`.
pub(super) fn subscriber<W>(
    style: Style,
    filter: EnvFilter,
    out: W,
) -> impl Subscriber + Send + Sync
where
    W: io::Write + Clone + Send + Sync + 'static,
{
    let layer = match style {
        Style::Text { colour } => lines::layer()
            .fmt_fields(escaped_fields())
            .with_ansi(colour)
            .with_writer(move || out.clone())
            .boxed(),
        Style::Json => lines::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(move || JsonLine(out.clone()))
            .boxed(),
    };
    Registry::default().with(filter).with(layer)
}

/// `message name=value …`, with the names set off where there are colours.
fn escaped_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(
        |out: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
            match field.name() {
                "message" => {}
                name => {
                    // A field that is named like a keyword is written `r#type` in code.
                    let name = name.strip_prefix("r#").unwrap_or(name);
                    if out.has_ansi_escapes() {
                        write!(out, "\u{1b}[2m{name}=\u{1b}[0m")?;
                    } else {
                        write!(out, "{name}=")?;
                    }
                }
            }
            write!(Escaped(out), "{value:?}")
        },
    )
    .delimited(" ")
}

/// Escapes on the way out what serde_json lets through.
struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match str::from_utf8(line) {
            Ok(text) => self.0.write_all(escape_json(text).as_bytes())?,
            // serde_json writes nothing else, so this is for completeness.
            Err(_) => self
                .0
                .write_all(line.escape_ascii().to_string().as_bytes())?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;

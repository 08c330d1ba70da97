//! The question, and what can be wrong with it.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use thiserror::Error;

/// A request for the weather in a city.
///
/// Both texts are trimmed, not empty, at most [`MAX_CHARACTERS`] long and free of control characters (C0, DEL and
/// C1). Every other text is accepted as it is: any script, right-to-left and zero-width characters, emoji. Nothing is
/// normalised, so that what was asked for is what comes back; two spellings of a city that look alike are two cities.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Draft")]
pub struct WeatherRequest {
    city: String,
    location: String,
}

/// What is wrong with a request. The texts name fields and rules, and never repeat what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestDefect {
    /// The body is no JSON text: broken off, malformed, not UTF-8, nested deeper than 127 levels, or with a number
    /// beyond all bounds.
    #[error("the body is not valid JSON: {reason}")]
    NotJson {
        /// The line of the fault, from 1.
        line: usize,
        /// The byte within the line, from 1; 0 where the line ended too early.
        column: usize,
        /// What was expected, and where.
        reason: String,
    },
    /// The body is JSON, but a field breaks a rule.
    #[error("{field} {rule}")]
    Field {
        /// The name of the field; `body` for the JSON value as a whole.
        field: &'static str,
        /// The rule that it breaks.
        rule: Rule,
    },
}

/// A rule for a field. Displayed as what follows the field's name in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rule {
    /// The body is an array, a string, a number, a boolean or null.
    #[error("must be a JSON object")]
    Object,
    /// The field is not there.
    #[error("is missing")]
    Required,
    /// The field is there twice; which one was meant is anybody's guess.
    #[error("must be given only once")]
    Once,
    /// The field is of another type, null included.
    #[error("must be a string")]
    Text,
    /// There is a control character, a line break for example.
    #[error("must not contain control characters")]
    NoControl,
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    NotEmpty,
    /// More than [`MAX_CHARACTERS`] are left after trimming.
    #[error("must be at most {MAX_CHARACTERS} characters long")]
    Length,
}

/// The most characters (Unicode scalar values) in a city or a location.
pub const MAX_CHARACTERS: usize = 256;

impl WeatherRequest {
    /// A request from texts that need not be trimmed.
    pub fn new(city: &str, location: &str) -> Result<Self, RequestDefect> {
        Ok(Self {
            city: checked("city", city)?,
            location: checked("location", location)?,
        })
    }

    /// Reads the body of a request. Fields other than `city` and `location` are ignored. Of several defects the first
    /// is reported: the JSON as a whole, then the city, then the location.
    pub fn parse(body: &[u8]) -> Result<Self, RequestDefect> {
        match serde_json::from_slice::<Draft>(body) {
            Ok(draft) => Self::try_from(draft),
            Err(error) if error.classify() == Category::Data => Err(not_an_object(body)),
            Err(error) => Err(not_json(&error)),
        }
    }

    /// The city.
    pub fn city(&self) -> &str {
        &self.city
    }

    /// The location within the city.
    pub fn location(&self) -> &str {
        &self.location
    }
}

impl TryFrom<Draft> for WeatherRequest {
    type Error = RequestDefect;

    fn try_from(draft: Draft) -> Result<Self, RequestDefect> {
        Self::new(
            draft.city.text("city")?.as_str(),
            draft.location.text("location")?.as_str(),
        )
    }
}

fn checked(field: &'static str, text: &str) -> Result<String, RequestDefect> {
    let defect = |rule| Err(RequestDefect::Field { field, rule });
    // Before trimming, because a line break at the end is white space too.
    if text.chars().any(char::is_control) {
        return defect(Rule::NoControl);
    }
    let text = text.trim();
    if text.is_empty() {
        return defect(Rule::NotEmpty);
    }
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        return defect(Rule::Length);
    }
    Ok(text.to_owned())
}

/// The defect of a body whose first character is not that of an object: it may still be broken further on.
fn not_an_object(body: &[u8]) -> RequestDefect {
    match serde_json::from_slice::<Value>(body) {
        Ok(_) => RequestDefect::Field {
            field: "body",
            rule: Rule::Object,
        },
        Err(error) => not_json(&error),
    }
}

/// The texts of syntax errors say what was expected, not what was there, so they can be shown to anybody.
fn not_json(error: &serde_json::Error) -> RequestDefect {
    RequestDefect::NotJson {
        line: error.line(),
        column: error.column(),
        reason: error.to_string(),
    }
}

/// An object of which nothing has been asked yet, so that reading it fails only where the JSON itself is broken.
#[derive(Default)]
struct Draft {
    city: Given,
    location: Given,
}

/// What an object says about a field.
#[derive(Default)]
enum Given {
    #[default]
    Nothing,
    Once(Value),
    Repeatedly,
}

/// The names that are looked for.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    City,
    Location,
    #[serde(other)]
    Other,
}

impl Given {
    fn add(&mut self, value: Value) {
        *self = match self {
            Given::Nothing => Given::Once(value),
            Given::Once(_) | Given::Repeatedly => Given::Repeatedly,
        };
    }

    fn text(self, field: &'static str) -> Result<String, RequestDefect> {
        let rule = match self {
            Given::Once(Value::String(text)) => return Ok(text),
            Given::Once(_) => Rule::Text,
            Given::Nothing => Rule::Required,
            Given::Repeatedly => Rule::Once,
        };
        Err(RequestDefect::Field { field, rule })
    }
}

impl<'de> Deserialize<'de> for Draft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DraftVisitor)
    }
}

struct DraftVisitor;

impl<'de> Visitor<'de> for DraftVisitor {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some(name) = map.next_key()? {
            // Values of ignored fields are read as well: skipping them would skip the limit on nesting.
            let value = map.next_value()?;
            match name {
                Name::City => draft.city.add(value),
                Name::Location => draft.location.add(value),
                Name::Other => {}
            }
        }
        Ok(draft)
    }
}

#[cfg(test)]
mod tests;

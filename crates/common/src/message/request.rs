//! The question, and what can be wrong with it.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use thiserror::Error;

/// A request for the weather in a city.
///
/// Both texts come at most [`MAX_CHARACTERS`] long and free of control characters (C0, DEL and C1); they are trimmed
/// and then not empty. Every other text is accepted as it is: any script, right-to-left and zero-width characters,
/// emoji. Nothing is normalised, so that what was asked for is what comes back; two spellings of a city that look
/// alike are two cities.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Draft")]
pub struct WeatherRequest {
    pub(super) city: String,
    pub(super) location: String,
}

/// What is wrong with a request. The texts name fields and rules, and never repeat what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestDefect {
    /// The body is no JSON text.
    #[error("the body is not valid JSON: {0}")]
    NotJson(JsonDefect),
    /// The body is JSON, but fields break rules. Each field that does is here once, in the order city, location; there
    /// is at least one.
    #[error("{}", sentence(.0))]
    Fields(Vec<FieldDefect>),
}

/// Why a body is no JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JsonDefect {
    /// There is nothing but white space.
    #[error("it is empty")]
    Empty,
    /// Arrays and objects lie in each other deeper than [`MAX_DEPTH`] levels. What follows is not looked at.
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It is broken off, malformed, not UTF-8, or there is a number beyond all bounds.
    #[error("{reason}")]
    Syntax {
        /// The line of the fault, from 1.
        line: usize,
        /// The byte within the line, from 1; 0 where the line ended too early.
        column: usize,
        /// What was expected, and where.
        reason: String,
    },
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} {rule}")]
pub struct FieldDefect {
    /// The name of the field; `body` for the JSON value as a whole.
    pub field: &'static str,
    /// The first rule that it breaks.
    pub rule: Rule,
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
    /// More than [`MAX_CHARACTERS`] were sent, white space included: the bound that the OpenAPI schema can state.
    #[error("must be at most {MAX_CHARACTERS} characters long")]
    Length,
}

/// The most characters (Unicode scalar values) in a city or a location.
pub const MAX_CHARACTERS: usize = 256;

/// The most levels of arrays and objects in each other that a JSON text may have; the JSON parser stops there, so that
/// no text can exhaust the stack.
pub const MAX_DEPTH: usize = 127;

impl WeatherRequest {
    /// A request from texts that need not be trimmed.
    pub fn new(city: &str, location: &str) -> Result<Self, RequestDefect> {
        Self::of(checked(city.to_owned()), checked(location.to_owned()))
    }

    /// Reads the body of a request. Fields other than `city` and `location` are ignored. A defect of the JSON as a
    /// whole is reported alone, and the fields are then not looked at.
    pub fn parse(body: &[u8]) -> Result<Self, RequestDefect> {
        match serde_json::from_slice::<Draft>(body) {
            Ok(draft) => Self::try_from(draft),
            Err(_) if body.trim_ascii().is_empty() => {
                Err(RequestDefect::NotJson(JsonDefect::Empty))
            }
            Err(error) if error.classify() == Category::Data => Err(not_an_object(body)),
            Err(error) => Err(not_json(&error)),
        }
    }

    fn of(
        city: Result<String, Rule>,
        location: Result<String, Rule>,
    ) -> Result<Self, RequestDefect> {
        match (city, location) {
            (Ok(city), Ok(location)) => Ok(Self { city, location }),
            (city, location) => {
                let rules = [("city", city.err()), ("location", location.err())];
                let defects = rules
                    .into_iter()
                    .filter_map(|(field, rule)| rule.map(|rule| FieldDefect { field, rule }));
                Err(RequestDefect::Fields(defects.collect()))
            }
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
        let checked = |given: Given| checked(given.text()?);
        Self::of(checked(draft.city), checked(draft.location))
    }
}

fn checked(text: String) -> Result<String, Rule> {
    // Before trimming, because a line break at the end is white space too.
    if text.chars().any(char::is_control) {
        return Err(Rule::NoControl);
    }
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Rule::NotEmpty);
    }
    // No text has more characters than bytes.
    if text.len() > MAX_CHARACTERS && text.chars().nth(MAX_CHARACTERS).is_some() {
        return Err(Rule::Length);
    }
    if trimmed.len() == text.len() {
        return Ok(text);
    }
    Ok(trimmed.to_owned())
}

/// The defect of a body whose first character is not that of an object: it may still be broken further on.
fn not_an_object(body: &[u8]) -> RequestDefect {
    match serde_json::from_slice::<Value>(body) {
        Ok(_) => RequestDefect::Fields(vec![FieldDefect {
            field: "body",
            rule: Rule::Object,
        }]),
        Err(error) => not_json(&error),
    }
}

/// The texts of syntax errors say what was expected, not what was there, so they can be shown to anybody.
fn not_json(error: &serde_json::Error) -> RequestDefect {
    let reason = error.to_string();
    // The parser has no other sign of this; where its words change, a test notices.
    if reason.starts_with("recursion limit exceeded") {
        return RequestDefect::NotJson(JsonDefect::TooDeep);
    }
    RequestDefect::NotJson(JsonDefect::Syntax {
        line: error.line(),
        column: error.column(),
        reason,
    })
}

fn sentence(defects: &[FieldDefect]) -> String {
    let parts: Vec<_> = defects.iter().map(ToString::to_string).collect();
    parts.join("; ")
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

    fn text(self) -> Result<String, Rule> {
        match self {
            Given::Once(Value::String(text)) => Ok(text),
            Given::Once(_) => Err(Rule::Text),
            Given::Nothing => Err(Rule::Required),
            Given::Repeatedly => Err(Rule::Once),
        }
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

//! Whether a reply is the answer to the request it came back for.

use std::borrow::Cow;

use serde::Deserialize;
use uuid::Uuid;

use crate::failure::Failure;
use crate::request::WeatherRequest;

/// Checks the body of a 200 against its request, and gives the request id that the service assigned.
pub(crate) fn check(request: &WeatherRequest, body: &[u8]) -> Result<Uuid, Failure> {
    let reply: WeatherReply<'_> =
        serde_json::from_slice(body).map_err(|error| Failure::BadBody(error.to_string()))?;
    if reply.city != request.city || reply.location != request.location {
        return Err(Failure::Crossed(format!(
            "asked for {:?} {:?}, got {:?} {:?}",
            request.city, request.location, reply.city, reply.location
        )));
    }
    let id = Uuid::parse_str(&reply.request_id)
        .map_err(|_| Failure::BadBody(format!("requestId {:?} is not a UUID", reply.request_id)))?;
    if !starts_with_date(&reply.date) {
        return Err(Failure::BadBody(format!(
            "date {:?} does not start with a date",
            reply.date
        )));
    }
    let expected = 32.0 + reply.temperature_c * 1.8;
    if (reply.temperature_f - expected).abs() >= TEMPERATURE_TOLERANCE {
        return Err(Failure::BadBody(format!(
            "{} °C is not {} °F",
            reply.temperature_c, reply.temperature_f
        )));
    }
    Ok(id)
}

/// In °F. Both figures may be rounded to whole degrees on their own: half a degree Celsius is 0.9 °F, and
/// truncating the result adds up to one.
const TEMPERATURE_TOLERANCE: f64 = 2.0;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WeatherReply<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    city: Cow<'a, str>,
    #[serde(borrow)]
    location: Cow<'a, str>,
    #[serde(borrow)]
    date: Cow<'a, str>,
    temperature_c: f64,
    temperature_f: f64,
    /// Its presence is all that can be checked.
    #[serde(rename = "summary", borrow)]
    _summary: Cow<'a, str>,
}

/// `2026-11-21`, alone or followed by a time.
fn starts_with_date(text: &str) -> bool {
    let shape = b"0000-00-00";
    let bytes = text.as_bytes();
    bytes.len() >= shape.len()
        && shape
            .iter()
            .zip(bytes)
            .all(|(expected, found)| match expected {
                b'0' => found.is_ascii_digit(),
                separator => found == separator,
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn request() -> WeatherRequest {
        WeatherRequest::nth("t", 47)
    }

    fn good() -> Value {
        json!({
            "requestId": "019aa0f0-0000-7000-8000-000000000001", "city": request().city,
            "location": request().location, "date": "2026-11-21", "temperatureC": 21, "temperatureF": 69,
            "summary": "Mild",
        })
    }

    fn check_with(field: &str, value: Value) -> Result<Uuid, Failure> {
        let mut reply = good();
        reply[field] = value;
        check(&request(), reply.to_string().as_bytes())
    }

    #[test]
    fn the_answer_to_the_request_is_accepted() {
        let id = check(&request(), good().to_string().as_bytes()).unwrap();
        assert_eq!(
            id,
            Uuid::parse_str("019aa0f0-0000-7000-8000-000000000001").unwrap()
        );
        assert!(check_with("date", json!("2026-11-21T10:00:00Z")).is_ok());
        assert!(check_with("unknown", json!(1)).is_ok());
    }

    #[test]
    fn the_answer_to_another_request_is_crossed() {
        for (field, value) in [("city", "Berlin"), ("location", "load test t 48")] {
            assert!(
                matches!(check_with(field, json!(value)), Err(Failure::Crossed(_))),
                "{field}"
            );
        }
    }

    #[test]
    fn a_body_that_makes_no_sense_is_bad() {
        let bad = [
            ("requestId", json!("41")),
            ("requestId", json!(41)),
            ("date", json!("today")),
            ("temperatureC", json!("warm")),
            ("temperatureF", json!(75)),
            ("summary", Value::Null),
        ];
        for (field, value) in bad {
            assert!(
                matches!(check_with(field, value.clone()), Err(Failure::BadBody(_))),
                "{field} {value}"
            );
        }
        for body in ["", "null", "[]", "<html>", "{}", "{\"requestId\":"] {
            assert!(
                matches!(check(&request(), body.as_bytes()), Err(Failure::BadBody(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn temperatures_may_differ_by_rounding_alone() {
        for celsius in -60..60 {
            // The formula of the service this API is known from truncates.
            let truncated = 32 + (f64::from(celsius) / 0.5556) as i32;
            let rounded = 32 + (f64::from(celsius) * 1.8).round() as i32;
            for fahrenheit in [truncated, rounded] {
                let mut reply = good();
                reply["temperatureC"] = json!(celsius);
                reply["temperatureF"] = json!(fahrenheit);
                assert!(
                    check(&request(), reply.to_string().as_bytes()).is_ok(),
                    "{celsius} {fahrenheit}"
                );
            }
        }
    }
}

//! The weather, as it is answered.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::WeatherRequest;

/// The weather in a city on one day. Its JSON is the body that the caller gets, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeatherReply {
    /// The request that this answers.
    pub request_id: Uuid,
    /// The city as it was asked for.
    pub city: String,
    /// The location as it was asked for.
    pub location: String,
    /// The day, as an ISO 8601 date: `yyyy-MM-dd`.
    pub date: String,
    /// The temperature in whole degrees Celsius.
    pub temperature_c: i32,
    /// The same temperature in whole degrees Fahrenheit, by [`fahrenheit`].
    pub temperature_f: i32,
    /// The weather in a word or two.
    pub summary: String,
}

impl WeatherReply {
    /// The reply to `request`, with its temperature in both scales.
    pub fn new(
        request_id: Uuid,
        request: WeatherRequest,
        date: String,
        temperature_c: i32,
        summary: String,
    ) -> Self {
        let WeatherRequest { city, location } = request;
        Self {
            request_id,
            city,
            location,
            date,
            temperature_c,
            temperature_f: fahrenheit(temperature_c),
            summary,
        }
    }
}

/// Whole degrees Celsius in whole degrees Fahrenheit: `c * 9 / 5 + 32`, rounded to the nearest.
///
/// There are no ties to settle, because fifths never end in a half. Temperatures beyond what an `i32` holds in
/// Fahrenheit are cut off at its ends.
pub fn fahrenheit(celsius: i32) -> i32 {
    let nearest = (i64::from(celsius) * 9 + 2).div_euclid(5) + 32;
    nearest.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_json_is_the_one_that_callers_get() {
        let request = WeatherRequest::new("New York", "Downtown").unwrap();
        let reply = WeatherReply::new(
            Uuid::nil(),
            request,
            "2031-02-28".into(),
            -3,
            "Bracing".into(),
        );
        let expected = json!({
            "requestId": "00000000-0000-0000-0000-000000000000",
            "city": "New York",
            "location": "Downtown",
            "date": "2031-02-28",
            "temperatureC": -3,
            "temperatureF": 27,
            "summary": "Bracing",
        });
        assert_eq!(serde_json::to_value(&reply).unwrap(), expected);
        assert_eq!(
            serde_json::from_value::<WeatherReply>(expected).unwrap(),
            reply
        );
    }

    #[test]
    fn known_temperatures() {
        let celsius = [-40, -18, -1, 0, 1, 2, 3, 4, 21, 37, 100, i32::MIN, i32::MAX];
        let expected = [
            -40,
            0,
            30,
            32,
            34,
            36,
            37,
            39,
            70,
            99,
            212,
            i32::MIN,
            i32::MAX,
        ];
        assert_eq!(celsius.map(fahrenheit), expected);
    }

    proptest! {
        #[test]
        fn fahrenheit_rounds_to_the_nearest(celsius in -1_000_000_i32..1_000_000) {
            let exact = f64::from(celsius) * 1.8 + 32.0;
            prop_assert!((f64::from(fahrenheit(celsius)) - exact).abs() < 0.5);
        }
    }
}

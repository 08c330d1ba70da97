//! What is asked: a city, and a location that no other request of any run names.

use bytes::Bytes;
use serde::Serialize;

/// One request, told apart from every other by its location.
#[derive(Debug, Serialize)]
pub(crate) struct WeatherRequest {
    pub(crate) city: &'static str,
    pub(crate) location: String,
}

impl WeatherRequest {
    /// The request with this index in the run that `token` names.
    pub(crate) fn nth(token: &str, index: u64) -> Self {
        let position = usize::try_from(index % CITIES.len() as u64).unwrap_or(0);
        Self {
            city: CITIES[position],
            location: format!("load test {token} {index}"),
        }
    }

    /// The request as JSON.
    pub(crate) fn to_json(&self) -> Bytes {
        // Two strings: this cannot fail, and an empty body would be counted as the failure it is.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

/// A name for this run that another run beside it will not have.
pub(crate) fn run_token() -> String {
    format!("{:08x}", fastrand::u32(..))
}

/// Cities on every continent, some of which need more than ASCII.
const CITIES: [&str; 48] = [
    "Abidjan",
    "Accra",
    "Amsterdam",
    "Anchorage",
    "Auckland",
    "Bangkok",
    "Berlin",
    "Bogotá",
    "Brisbane",
    "Buenos Aires",
    "Cairo",
    "Cape Town",
    "Chicago",
    "Copenhagen",
    "Dakar",
    "Delhi",
    "Dubai",
    "Hanoi",
    "Helsinki",
    "Istanbul",
    "Jakarta",
    "Karachi",
    "Kyiv",
    "Lagos",
    "Lima",
    "Lisbon",
    "London",
    "Madrid",
    "Mexico City",
    "Montréal",
    "Mumbai",
    "München",
    "Nairobi",
    "New York",
    "Oslo",
    "Paris",
    "Perth",
    "Reykjavík",
    "Rome",
    "San Francisco",
    "Santiago",
    "São Paulo",
    "Seoul",
    "Singapore",
    "Sydney",
    "Tokyo",
    "Zürich",
    "東京",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn requests_are_all_different_and_use_every_city() {
        let requests: Vec<_> = (0..480)
            .map(|index| WeatherRequest::nth("t", index))
            .collect();
        let locations: HashSet<_> = requests.iter().map(|request| &request.location).collect();
        let cities: HashSet<_> = requests.iter().map(|request| request.city).collect();
        assert_eq!((locations.len(), cities.len()), (480, CITIES.len()));
    }

    #[test]
    fn the_body_is_the_json_of_the_api() {
        let body = WeatherRequest::nth("t", 7).to_json();
        assert_eq!(
            body,
            r#"{"city":"Bogotá","location":"load test t 7"}"#.as_bytes()
        );
    }
}

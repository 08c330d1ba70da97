//! What callers send, and what they hope for.

use serde_json::json;
use testbed::Outcome;
use tokio::task::JoinSet;

/// The media type of a request.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// The body of a request for the weather in this city.
pub(crate) fn weather_of(city: &str) -> String {
    json!({"city": city, "location": "Centre"}).to_string()
}

/// Waits until all these callers got their weather.
pub(crate) async fn all_served(callers: JoinSet<Outcome>) {
    let outcomes = callers.join_all().await;
    let unserved: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.status() != Some(200))
        .collect();
    assert!(unserved.is_empty(), "{unserved:?}");
}

use std::time::Duration;

use serde_json::Value;

use super::{History, Outcome, What};
use crate::http::{Answer, Failure, HttpClient};

/// How long a caller waits on beyond the deadline, so that a late answer is seen as late and not as none.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends requests as a caller does, and records each with what became of it. A cheap clone shares its connections.
#[derive(Clone, Debug)]
pub struct Recorder {
    history: History,
    client: HttpClient,
    deadline: Duration,
    run: u32,
}

impl Recorder {
    /// Records into `history`. `deadline` is the time in which the service has promised an answer.
    pub fn new(history: &History, deadline: Duration) -> anyhow::Result<Self> {
        // A number of its own in every city's name tells a reply of another run from one of this.
        Ok(Self {
            history: history.clone(),
            client: HttpClient::new()?,
            deadline,
            run: fastrand::u32(..),
        })
    }

    /// Where it records.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Asks `target`, e.g. `http://127.0.0.1:5009`, for a city that nobody else asks for, and waits for the end.
    ///
    /// Dropping the call is leaving on purpose: the connection closes and the request is recorded as left.
    pub async fn send(&self, target: &str) -> Outcome {
        let request = self.history.next_request();
        let place = format!("{:08x}-{request}", self.run);
        self.run(
            request,
            target,
            &format!("City {place}"),
            &format!("Quarter {place}"),
        )
        .await
    }

    /// As [`send`](Self::send), for this city and location.
    pub async fn send_city(&self, target: &str, city: &str, location: &str) -> Outcome {
        self.run(self.history.next_request(), target, city, location)
            .await
    }

    async fn run(&self, request: u64, target: &str, city: &str, location: &str) -> Outcome {
        self.history.record(What::Sent {
            request,
            target: target.to_owned(),
            city: city.to_owned(),
            location: location.to_owned(),
            deadline_ms: self.deadline.as_millis().try_into().unwrap_or(u64::MAX),
        });
        let mut ending = Ending {
            history: &self.history,
            request,
            outcome: Outcome::Left,
        };
        let answer = self
            .client
            .post_city(target, city, location, self.deadline + PATIENCE)
            .await;
        ending.outcome = outcome(answer, city, location);
        ending.outcome.clone()
    }
}

/// Records the end of a request when it is dropped, and so also of one that nobody waits for any more.
struct Ending<'a> {
    history: &'a History,
    request: u64,
    outcome: Outcome,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Left);
        self.history.record(What::Ended {
            request: self.request,
            outcome,
        });
    }
}

fn outcome(answer: Result<Answer, Failure>, city: &str, location: &str) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return Outcome::Failed { failure },
    };
    if answer.status != 200 {
        return Outcome::Answer {
            status: answer.status,
            request_id: None,
            mismatch: None,
        };
    }
    let body = answer.json().unwrap_or(Value::String(answer.text()));
    let request_id = body["requestId"].as_str().map(str::to_owned);
    Outcome::Answer {
        status: 200,
        request_id,
        mismatch: mismatch(&body, city, location),
    }
}

/// What in the body of a 200 is not as the request asked, or not there.
fn mismatch(body: &Value, city: &str, location: &str) -> Option<String> {
    for (name, asked) in [("city", city), ("location", location)] {
        if body[name] != asked {
            return Some(format!(
                "{name} is {} where {asked:?} was asked for",
                body[name]
            ));
        }
    }
    let has_text = |name: &&str| body[name].as_str().is_some_and(|text| !text.is_empty());
    let texts = ["requestId", "date", "summary"]
        .into_iter()
        .find(|name| !has_text(name));
    let numbers = ["temperatureC", "temperatureF"]
        .into_iter()
        .find(|name| !body[name].is_number());
    texts
        .or(numbers)
        .map(|name| format!("{name} is {}", body[name]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn weather() -> Value {
        json!({
            "requestId": "0190", "city": "Oslo", "location": "Centre", "date": "2026-01-31",
            "temperatureC": -3, "temperatureF": 27, "summary": "Chilly",
        })
    }

    fn seen(status: u16, body: &str) -> Outcome {
        let answer = Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        };
        outcome(Ok(answer), "Oslo", "Centre")
    }

    fn mismatch_of(body: &str) -> String {
        match seen(200, body) {
            Outcome::Answer {
                mismatch: Some(mismatch),
                ..
            } => mismatch,
            other => panic!("{body}: {other}"),
        }
    }

    #[test]
    fn a_whole_answer_to_the_question_has_no_mismatch() {
        let own = Outcome::Answer {
            status: 200,
            request_id: Some("0190".into()),
            mismatch: None,
        };
        assert_eq!(seen(200, &weather().to_string()), own);
    }

    #[test]
    fn another_city_or_location_is_a_mismatch() {
        for name in ["city", "location"] {
            let mut body = weather();
            body[name] = "Paris".into();
            assert!(mismatch_of(&body.to_string()).starts_with(&format!("{name} is \"Paris\"")));
        }
    }

    #[test]
    fn each_missing_field_is_a_mismatch() {
        for name in weather().as_object().unwrap().keys() {
            let mut body = weather();
            body[name] = Value::Null;
            assert!(
                mismatch_of(&body.to_string()).starts_with(&format!("{name} is null")),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_no_json_object_is_a_mismatch() {
        for body in ["", "hello", "[1]", "null", "{\"city\""] {
            assert!(mismatch_of(body).starts_with("city is null"), "{body}");
        }
    }

    #[test]
    fn the_body_of_another_status_is_not_looked_at() {
        assert_eq!(
            seen(503, "busy"),
            Outcome::Answer {
                status: 503,
                request_id: None,
                mismatch: None
            }
        );
    }
}

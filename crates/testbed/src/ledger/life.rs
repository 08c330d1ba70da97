//! The life of an entry.

use serde_json::Value;

/// An entry of the request stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id on the stream.
    pub id: String,
    /// The request id that names its field; none in what nobody of ours wrote.
    pub request: Option<String>,
    /// The city and location it asks for.
    pub question: Option<(String, String)>,
    /// When it was added, on Redis's clock, in milliseconds.
    pub added_ms: u64,
    /// When its deadline is.
    pub expires_ms: u64,
    /// To whom it was given. Renewals of a lease are none.
    pub deliveries: Vec<Delivery>,
    /// When it was taken off the stream: not before this, the last time that is known by then,
    pub removed_ms: Option<u64>,
    /// and not after this, the next one, if there is any.
    pub removed_by_ms: Option<u64>,
    /// How it ended; `None` while it is still there.
    pub end: Option<End>,
}

/// One time that an entry was given to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When, on Redis's clock.
    pub at_ms: u64,
    /// The worker.
    pub consumer: String,
    /// Why, if it was not the first time.
    pub again: Option<Reason>,
}

/// Why an entry was given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its worker died or stood still, and the lease lapsed.
    Lapsed,
    /// Its worker gave it back.
    HandedBack,
    /// The group was lost and made again, so that nobody knew that it was being worked on.
    GroupMadeAgain,
}

/// How an entry ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Its request was replied to.
    Replied,
    /// It was taken off the stream unanswered, after its deadline.
    Expired,
    /// It was taken off the stream unanswered, before its deadline.
    Withdrawn,
    /// It is a dead letter.
    DeadLettered,
    /// A fault took it away; this is the command.
    Lost(String),
}

/// A reply, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// When, on Redis's clock.
    pub at_ms: u64,
    /// The stream.
    pub stream: String,
    /// `ok`, `failed`, `panicked`, `dead-lettered`.
    pub status: String,
    /// The city and location that it answers.
    pub answer: Option<(String, String)>,
    /// Whether a reader may have missed it: a command took it off its stream, or the server was replaced.
    pub may_be_missed: bool,
}

/// The head and the body of an envelope: a line of JSON, and the rest.
pub(super) fn envelope(value: &[u8]) -> (Value, Value) {
    let end = value.iter().position(|byte| *byte == b'\n');
    let (head, body) = value.split_at(end.unwrap_or(value.len()));
    let json = |bytes| serde_json::from_slice(bytes).unwrap_or_default();
    (json(head), json(body))
}

/// How a request ended, by the head of its reply; one that says nothing else is well.
pub(super) fn status(head: &Value) -> &str {
    match head {
        Value::Object(members) => members
            .get("status")
            .map_or("ok", |status| status.as_str().unwrap_or("undecodable")),
        _ => "undecodable",
    }
}

/// The city and location in a body.
pub(super) fn place(body: &Value) -> Option<(String, String)> {
    let text = |name: &str| Some(body[name].as_str()?.to_owned());
    Some((text("city")?, text("location")?))
}

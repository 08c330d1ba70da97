//! Stream entries and their ids, out of the server's answers.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    WireError,
    answer::{array, bytes, integer},
    fault::checked,
    resp::Value,
};

/// The id of a stream entry: milliseconds on Redis's clock, then a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId {
    pub ms: u64,
    pub seq: u64,
}

impl EntryId {
    pub(crate) const ZERO: Self = Self { ms: 0, seq: 0 };
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for EntryId {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let parse = || {
            let (ms, seq) = text.split_once('-')?;
            Some(Self {
                ms: ms.parse().ok()?,
                seq: seq.parse().ok()?,
            })
        };
        parse().ok_or_else(|| WireError::unexpected("a read: an entry id"))
    }
}

/// Names and values. A request has one field, as have many entries with replies.
pub(crate) type Fields = SmallVec<[(Bytes, Bytes); 1]>;

/// An entry as it lies on the stream. `fields` is `None` where the entry was deleted while a worker
/// still had it: then only its pending reference is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub id: EntryId,
    pub fields: Option<Fields>,
    /// How often it had been delivered before, where the command says so (`CLAIM`).
    pub deliveries_before: Option<u64>,
}

/// The answer to `XREAD` and `XREADGROUP` on one stream; nil when nothing came.
pub(crate) fn streams(value: Value) -> Result<Vec<Entry>, WireError> {
    match checked(value)? {
        Value::Nil => Ok(Vec::new()),
        Value::Array(streams) => {
            let mut all = Vec::new();
            for stream in streams {
                let mut parts = array(stream)?.into_iter();
                let (Some(_key), Some(list)) = (parts.next(), parts.next()) else {
                    return Err(WireError::unexpected("a read"));
                };
                all.append(&mut entries(list)?);
            }
            Ok(all)
        }
        _ => Err(WireError::unexpected("a read")),
    }
}

/// A list of entries, as `XCLAIM` and `XRANGE` answer. Redis 6.2 puts nil where a claimed entry is
/// gone; those are left out here.
pub(crate) fn entries(value: Value) -> Result<Vec<Entry>, WireError> {
    array(checked(value)?)?
        .into_iter()
        .filter(|item| *item != Value::Nil)
        .map(entry)
        .collect()
}

/// An entry's id.
pub(crate) fn entry_id(value: &Value) -> Result<EntryId, WireError> {
    match value {
        Value::Text(bytes) => std::str::from_utf8(bytes).unwrap_or_default().parse(),
        _ => Err(WireError::unexpected("a command: an entry id")),
    }
}

/// How often an entry was delivered. Anybody may set that count, to the most there is as well, and one more is
/// below zero.
pub(crate) fn deliveries(value: &Value) -> Result<u64, WireError> {
    let signed = integer(value)?;
    Ok(u64::try_from(signed).unwrap_or(i64::MAX as u64))
}

fn entry(value: Value) -> Result<Entry, WireError> {
    let mut parts = array(value)?.into_iter();
    let (Some(id), Some(fields)) = (parts.next(), parts.next()) else {
        return Err(WireError::unexpected("a read: an entry"));
    };
    let id = entry_id(&id)?;
    let fields = match fields {
        Value::Nil => None,
        fields => {
            let mut flat = array(fields)?.into_iter();
            let mut pairs = Fields::with_capacity(flat.len() / 2);
            while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
                pairs.push((bytes(name)?, bytes(value)?));
            }
            Some(pairs)
        }
    };
    let deliveries_before = match (parts.next(), parts.next()) {
        (Some(_idle), Some(before)) => Some(deliveries(&before)?),
        _ => None,
    };
    Ok(Entry {
        id,
        fields,
        deliveries_before,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Text(text.to_owned().into())
    }

    #[test]
    fn a_read_gives_its_entries() {
        let answer = Value::Array(vec![Value::Array(vec![
            bulk("s"),
            Value::Array(vec![
                Value::Array(vec![bulk("1-2"), Value::Array(vec![bulk("f"), bulk("v")])]),
                Value::Array(vec![bulk("3-0"), Value::Nil, Value::Int(50), Value::Int(2)]),
            ]),
        ])]);
        assert_eq!(
            streams(answer).expect("well formed"),
            vec![
                Entry {
                    id: EntryId { ms: 1, seq: 2 },
                    fields: Some(smallvec::smallvec![("f".into(), "v".into())]),
                    deliveries_before: None
                },
                Entry {
                    id: EntryId { ms: 3, seq: 0 },
                    fields: None,
                    deliveries_before: Some(2)
                },
            ]
        );
        assert_eq!(streams(Value::Nil).expect("nothing"), vec![]);
        assert!(streams(Value::Int(1)).is_err());
    }

    proptest! {
        #[test]
        fn an_id_survives_its_text(ms: u64, seq: u64) {
            let id = EntryId { ms, seq };
            prop_assert_eq!(id.to_string().parse::<EntryId>().expect("own text"), id);
        }

        #[test]
        fn no_text_panics_the_id_parser(text in ".*") {
            let _ = text.parse::<EntryId>();
        }
    }
}

//! Answers of a server that nobody vouches for, made from bytes: for the properties that hold for all of them.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Entry, ServerFigures,
    answer::{count, redis_time},
    entry::{entries, streams},
    probe::Server,
    resp::Value,
};

/// Ends a piece of the text form; no UTF-8 has it.
const END: u8 = 0xff;

/// What a request id looks like, where the bytes name a field by nothing.
const ID: &[u8] = b"01234567-89ab-7cde-8f01-23456789abcd";

/// The entries in an answer that is read from `bytes`. Most bytes are one entry in pieces: its id, then name, value,
/// name, value, and so on. After a zero they are an answer of any shape.
pub(crate) fn foreign_entries(bytes: &[u8]) -> Vec<Entry> {
    let answer = match bytes.split_first() {
        Some((0, mut tree)) => any_value(&mut tree, 0),
        _ => one_entry(bytes),
    };
    // Of any shape, so that none of these may believe what it is given.
    let _ = (redis_time(answer.clone()), count(&answer));
    let mut found = streams(answer.clone()).unwrap_or_default();
    found.append(&mut entries(answer).unwrap_or_default());
    found
}

/// What is made of these bytes in place of the server's `INFO`, which is also how a server is known at first.
pub(crate) fn foreign_figures(bytes: &[u8]) -> ServerFigures {
    let answer = bulk(bytes);
    let _ = Server::read(vec![answer.clone()]).map(|server| server.info());
    match ServerFigures::read(answer, Duration::ZERO) {
        Ok(figures) => figures,
        Err(error) => panic!("a text is no INFO: {error:?}"),
    }
}

fn one_entry(bytes: &[u8]) -> Value {
    let mut pieces = bytes.split(|byte| *byte == END);
    let id = bulk(pieces.next().unwrap_or_default());
    let fields = pieces.enumerate().map(|(at, piece)| {
        let is_name = at % 2 == 0;
        bulk(if is_name && piece.is_empty() {
            ID
        } else {
            piece
        })
    });
    let fields = Value::Array(fields.collect());
    Value::Array(vec![Value::Array(vec![
        bulk(b"stream"),
        Value::Array(vec![Value::Array(vec![id, fields])]),
    ])])
}

/// Reads a value off the front: a byte for its kind, then what that kind needs.
fn any_value(bytes: &mut &[u8], depth: usize) -> Value {
    match byte(bytes) % 5 {
        1 => Value::Int(i64::from_le_bytes(std::array::from_fn(|_| byte(bytes)))),
        2 => bulk(&short(bytes)),
        3 => Value::Error(short(bytes).into()),
        4 if depth < 8 => {
            let items = byte(bytes) % 8;
            Value::Array((0..items).map(|_| any_value(bytes, depth + 1)).collect())
        }
        _ => Value::Nil,
    }
}

fn short(bytes: &mut &[u8]) -> Vec<u8> {
    let length = usize::from(byte(bytes)).min(bytes.len());
    let (short, rest) = bytes.split_at(length);
    *bytes = rest;
    short.to_vec()
}

fn byte(bytes: &mut &[u8]) -> u8 {
    bytes.split_off_first().copied().unwrap_or_default()
}

fn bulk(bytes: &[u8]) -> Value {
    Value::Text(Bytes::copy_from_slice(bytes))
}

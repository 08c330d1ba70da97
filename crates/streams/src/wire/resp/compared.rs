//! The codec compared with itself, and with the one of the redis crate.

use bytes::BytesMut;

use super::{Answers, Malformed, Value};

/// What the redis crate reads all the same, and Redis never sends: lengths below -1, spaces around a number, a line
/// that has a CR inside, the kinds of RESP 3, and what is beyond the bounds of this codec.
const STRICTER: [&str; 7] = [
    "a length below zero",
    "no number",
    "a line without its end",
    "an unknown kind of value",
    "a text that is too long",
    "arrays in arrays",
    "a line that is too long",
];

/// Most digits of a number of items that are shown to the redis crate, which makes room for whatever is announced.
const MODEST: usize = 3;

/// Any bytes are read the same way at once and byte by byte, and the redis crate reads the same, and where this codec
/// takes them for no answer or for half of one, it reads none, but for what [`STRICTER`] says.
pub(crate) fn compare_answer(bytes: &[u8]) {
    let mut whole = BytesMut::from(bytes);
    let at_once = Answers::default().next(&mut whole);
    let (mut read, mut answers) = (BytesMut::new(), Answers::default());
    let mut bit_by_bit = Ok(None);
    for byte in bytes {
        read.extend_from_slice(&[*byte]);
        bit_by_bit = answers.next(&mut read);
        if bit_by_bit != Ok(None) {
            break;
        }
    }
    assert_eq!(at_once, bit_by_bit);
    if announces_much(bytes) {
        return;
    }
    match (at_once, redis::parse_redis_value(bytes)) {
        (Ok(Some(ours)), Ok(theirs)) => {
            assert!(is_the_same(&ours, &theirs), "{ours:?} is no {theirs:?}");
        }
        // Its lines have to be text.
        (Ok(Some(ours)), Err(error)) => {
            assert!(str::from_utf8(bytes).is_err(), "{ours:?}, but {error}");
        }
        (Ok(None), Ok(theirs)) => panic!("{theirs:?} is taken for half an answer"),
        (Err(Malformed(why)), Ok(theirs)) => {
            assert!(STRICTER.contains(&why), "{theirs:?} is refused: {why}");
        }
        (Ok(None) | Err(_), Err(_)) => {}
    }
}

/// Whether anything that may be the head of an array, or of one of the kinds of RESP 3, has many digits.
fn announces_much(bytes: &[u8]) -> bool {
    let mut heads = bytes.split(|byte| !byte.is_ascii_digit() && !byte.is_ascii_whitespace());
    let digits = |head: &[u8]| head.iter().filter(|byte| byte.is_ascii_digit()).count();
    bytes.iter().any(|byte| b"*%|~>".contains(byte)) && heads.any(|head| digits(head) > MODEST)
}

/// Whether both crates have read the same answer.
pub(super) fn is_the_same(ours: &Value, theirs: &redis::Value) -> bool {
    match (ours, theirs) {
        (Value::Nil, redis::Value::Nil) => true,
        (Value::Int(ours), redis::Value::Int(theirs)) => ours == theirs,
        (Value::Text(ours), redis::Value::BulkString(theirs)) => ours == theirs,
        (Value::Text(ours), redis::Value::SimpleString(theirs)) => ours == theirs.as_bytes(),
        (Value::Text(ours), redis::Value::Okay) => &ours[..] == b"OK",
        (Value::Array(ours), redis::Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| is_the_same(ours, theirs))
        }
        (Value::Error(ours), redis::Value::ServerError(theirs)) => {
            let details = theirs.details().map(|details| format!(" {details}"));
            let words = format!("{}{}", theirs.code(), details.unwrap_or_default());
            ours[..] == *words.as_bytes()
        }
        _ => false,
    }
}

//! The codec compared with itself, and with the one of the redis crate.

use bytes::BytesMut;

use super::{Answers, Value};

/// Any bytes are read the same way at once and byte by byte, and where the redis crate reads an answer as well, that is
/// the same one.
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
    // Only what is whole: the other one makes room for whatever an array announces.
    if let Ok(Some(ours)) = at_once
        && let Ok(theirs) = redis::parse_redis_value(bytes)
    {
        assert!(is_the_same(&ours, &theirs), "{ours:?} is no {theirs:?}");
    }
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
        // That crate takes the words apart.
        (Value::Error(_), redis::Value::ServerError(_)) => true,
        _ => false,
    }
}

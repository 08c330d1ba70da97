use proptest::prelude::*;

use super::{
    compared::{compare_answer, is_the_same},
    *,
};

/// How Redis would send it.
fn sent(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Nil => to.extend(b"$-1\r\n"),
        Value::Int(number) => to.extend(format!(":{number}\r\n").bytes()),
        Value::Text(text) => {
            to.extend(format!("${}\r\n", text.len()).bytes());
            to.extend(text);
            to.extend(b"\r\n");
        }
        Value::Array(items) => {
            to.extend(format!("*{}\r\n", items.len()).bytes());
            items.iter().for_each(|item| sent(item, to));
        }
        Value::Error(words) => {
            to.push(b'-');
            to.extend(words);
            to.extend(b"\r\n");
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|text| Value::Text(text.into())),
        "[A-Z]{1,9}( [ -~]{0,20})?".prop_map(|words| Value::Error(words.into())),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop::collection::vec(inner, 0..8).prop_map(Value::Array)
    })
}

fn answers(bytes: &[u8]) -> Result<Option<Value>, Malformed> {
    Answers::default().next(&mut BytesMut::from(bytes))
}

proptest! {
    #[test]
    fn what_redis_sends_is_read_however_it_is_cut(
        values in prop::collection::vec(any_value(), 1..4),
        piece in 1_usize..50,
    ) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| sent(value, &mut bytes));
        let (mut read, mut reader, mut found) = (BytesMut::new(), Answers::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            read.extend_from_slice(piece);
            while let Some(value) = reader.next(&mut read).expect("well formed") {
                found.push(value);
            }
        }
        prop_assert_eq!(found, values);
        prop_assert!(read.is_empty());
    }

    #[test]
    fn the_redis_crate_reads_the_same(value in any_value()) {
        let mut bytes = Vec::new();
        sent(&value, &mut bytes);
        compare_answer(&bytes);
        let theirs = redis::parse_redis_value(&bytes).expect("well formed");
        prop_assert!(is_the_same(&value, &theirs), "{:?}", theirs);
    }

    #[test]
    fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        compare_answer(&bytes);
    }

    #[test]
    fn nearly_an_answer_does_not_make_it_fail(
        bytes in "[-+:$*]?[-0-9]{0,3}(\r|\n|\r\n)?([-+:$*][-0-9]{0,3}\r\n[a-z]{0,3}\r\n){0,5}",
    ) {
        compare_answer(bytes.as_bytes());
    }

    #[test]
    fn no_length_makes_it_fail(kind in "[$*:]", length: i64, rest in "[-+:$*0-9a-z\r\n]{0,20}") {
        compare_answer(format!("{kind}{length}\r\n{rest}").as_bytes());
    }

    #[test]
    fn commands_are_sent_as_the_redis_crate_sends_them(
        words in prop::collection::vec(
            (any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..30), 0..120_usize),
            1..5,
        ),
    ) {
        let (mut ours, mut theirs) = (Commands::new(), redis::pipe());
        for (ms, seq, text, many) in &words {
            let ids = vec![EntryId { ms: *ms, seq: *seq }; *many];
            ours.cmd("XDEL").arg(&text[..]).arg(*ms).arg("*").arg(&ids[..]);
            theirs.cmd("XDEL").arg(&text[..]).arg(*ms).arg("*");
            for _ in 0..*many {
                theirs.arg(format!("{ms}-{seq}"));
            }
        }
        prop_assert_eq!(ours.count(), theirs.len());
        prop_assert_eq!(ours.bytes(), theirs.get_packed_pipeline());
    }
}

#[test]
fn what_is_no_resp_is_refused_at_once() {
    for (bytes, reason) in [
        (&b"hello\r\n"[..], "an unknown kind of value"),
        (b"\r\n", "an empty line"),
        (b"$3\rabc", "a line without its end"),
        (b"$3\r\nabcde", "a text without its end"),
        (b"$-2\r\n", "a length below zero"),
        (b"*1\r\n$x\r\n", "no number"),
        (b":12a\r\n", "no number"),
        (b"$99999999999999999999\r\n", "no number"),
        (b"$536870913\r\n", "a text that is too long"),
    ] {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(answers(bytes), Err(Malformed(reason)), "{text}");
    }
    let deep = b"*1\r\n".repeat(MAX_DEPTH + 1);
    assert_eq!(answers(&deep), Err(Malformed("arrays in arrays")));
    let endless = vec![b'+'; MAX_LINE];
    assert_eq!(answers(&endless), Err(Malformed("a line that is too long")));
}

#[test]
fn what_is_announced_costs_nothing_before_it_comes() {
    assert_eq!(answers(b"$536870912\r\nab"), Ok(None));
    assert_eq!(answers(b"*9223372036854775807\r\n:1\r\n"), Ok(None));
}

#[test]
fn what_is_not_there_is_nil_and_what_is_empty_is_not() {
    assert_eq!(answers(b"$-1\r\n"), Ok(Some(Value::Nil)));
    assert_eq!(answers(b"*-1\r\n"), Ok(Some(Value::Nil)));
    assert_eq!(answers(b"*0\r\n"), Ok(Some(Value::Array(vec![]))));
    assert_eq!(answers(b"$0\r\n\r\n"), Ok(Some(Value::Text(Bytes::new()))));
    assert_eq!(answers(b"+\r\n"), Ok(Some(Value::Text(Bytes::new()))));
}

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn parse(body: &str) -> Result<WeatherRequest, RequestDefect> {
    WeatherRequest::parse(body.as_bytes())
}

fn fields(defects: &[(&'static str, Rule)]) -> Result<WeatherRequest, RequestDefect> {
    let defects = defects
        .iter()
        .map(|&(field, rule)| FieldDefect { field, rule });
    Err(RequestDefect::Fields(defects.collect()))
}

fn field(field: &'static str, rule: Rule) -> Result<WeatherRequest, RequestDefect> {
    fields(&[(field, rule)])
}

#[test]
fn a_request_is_read_trimmed_and_written_back() {
    let request = parse(r#" {"city": " New York ", "location": "Downtown"} "#).unwrap();
    assert_eq!(
        (request.city(), request.location()),
        ("New York", "Downtown")
    );
    let written = serde_json::to_value(&request).unwrap();
    assert_eq!(written, json!({"city": "New York", "location": "Downtown"}));
    assert_eq!(
        serde_json::from_value::<WeatherRequest>(written).unwrap(),
        request
    );
}

#[test]
fn unknown_fields_are_ignored() {
    let body = r#"{"City": 1, "x": [{"city": null}], "city": "A", "x": 2, "location": "B"}"#;
    assert_eq!(parse(body), WeatherRequest::new("A", "B"));
}

#[test]
fn names_may_be_escaped() {
    let body = r#"{"cit\u0079": "A", "location": "B"}"#;
    assert_eq!(parse(body), WeatherRequest::new("A", "B"));
}

#[test]
fn a_body_that_is_no_json_is_told_from_one_with_a_bad_field() {
    let broken = [
        "weather",
        "{",
        r#"{"city": "A", "location": "B""#,
        r#"{"city": "A", "location": "B"} x"#,
        r#"{"city": "A", "location": "B",}"#,
        r#"{'city': 'A', 'location': 'B'}"#,
        r#"{"city": "A", "location": NaN}"#,
        r#"{"city": "A", "location": "B", "x": 1e999}"#,
        r#"{"city": "\ud800", "location": "B"}"#,
        "{\"city\": \"A\nB\", \"location\": \"B\"}",
        "\u{feff}{\"city\": \"A\", \"location\": \"B\"}",
        "[1, 2",
        "\"A",
    ];
    for body in broken {
        let defect = parse(body).unwrap_err();
        assert!(
            matches!(defect, RequestDefect::NotJson(JsonDefect::Syntax { .. })),
            "{defect:?}"
        );
    }
    let defect = WeatherRequest::parse(b"{\"city\": \"\xff\", \"location\": \"B\"}").unwrap_err();
    assert!(
        matches!(defect, RequestDefect::NotJson(JsonDefect::Syntax { .. })),
        "{defect:?}"
    );
}

#[test]
fn nesting_ends_at_127_levels() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let within = |levels: usize| {
        let rest = deep(levels - 1);
        format!(r#"{{"city": "A", "location": "B", "x": {rest}}}"#)
    };
    assert_eq!(parse(&deep(MAX_DEPTH)), field("body", Rule::Object));
    assert_eq!(parse(&within(MAX_DEPTH)), WeatherRequest::new("A", "B"));
    for deeper in [
        deep(MAX_DEPTH + 1),
        within(MAX_DEPTH + 1),
        deep(100_000),
        "[".repeat(100_000),
        r#"{"city":"#.repeat(1_000),
    ] {
        assert_eq!(
            parse(&deeper),
            Err(RequestDefect::NotJson(JsonDefect::TooDeep))
        );
    }
    assert_eq!(
        parse(&deep(200)).unwrap_err().to_string(),
        "the body is not valid JSON: it is nested deeper than 127 levels"
    );
}

#[test]
fn a_body_of_nothing_is_empty() {
    for body in ["", " ", "\r\n\t "] {
        assert_eq!(
            parse(body),
            Err(RequestDefect::NotJson(JsonDefect::Empty)),
            "{body:?}"
        );
    }
}

#[test]
fn the_place_of_a_fault_in_the_json_is_told() {
    let defect = parse("{\"city\": \"A\",\n \"location\" \"B\"}").unwrap_err();
    assert_eq!(
        defect,
        RequestDefect::NotJson(JsonDefect::Syntax {
            line: 2,
            column: 13,
            reason: "expected `:` at line 2 column 13".into(),
        })
    );
    assert_eq!(
        defect.to_string(),
        "the body is not valid JSON: expected `:` at line 2 column 13"
    );
}

#[test]
fn json_that_is_no_object_is_a_defect_of_the_body() {
    for body in [
        "[]",
        "null",
        "5",
        "-0",
        "true",
        "\"city\"",
        r#"["A", "B"]"#,
        "[[]]",
    ] {
        assert_eq!(parse(body), field("body", Rule::Object), "{body}");
    }
}

#[test]
fn a_field_that_breaks_a_rule_is_named() {
    fn check(value: &str, rule: Rule) {
        let city = format!(r#"{{"location": "B", {value}}}"#);
        assert_eq!(parse(&city), field("city", rule), "{city}");
        let location = city
            .replace("location", "other")
            .replace("city", "location");
        let location = location.replace("other", "city");
        assert_eq!(parse(&location), field("location", rule), "{location}");
    }
    check(r#""x": 1"#, Rule::Required);
    for wrong in ["5", "null", "true", "[]", r#"["A"]"#, "{}", "1.5"] {
        check(&format!(r#""city": {wrong}"#), Rule::Text);
    }
    check(r#""city": "A", "city": "A""#, Rule::Once);
    check(r#""city": "A", "city": 5, "city": "B""#, Rule::Once);
    for empty in ["", "  ", "\u{a0}", "\u{2003}\u{3000}"] {
        check(&format!(r#""city": "{empty}""#), Rule::NotEmpty);
    }
    for control in [
        r"\u0000",
        r"\r\n",
        r"\t",
        r"\u001b[31m",
        "\u{7f}",
        "\u{85}",
        "\u{9b}",
    ] {
        check(&format!(r#""city": "A{control}B""#), Rule::NoControl);
        check(&format!(r#""city": "A{control}""#), Rule::NoControl);
    }
    check(&format!(r#""city": "{}""#, "ü".repeat(257)), Rule::Length);
    check(
        &format!(r#""city": "{}""#, "x".repeat(1_000_000)),
        Rule::Length,
    );
}

#[test]
fn every_field_that_breaks_a_rule_is_named_once_and_in_order() {
    use Rule::{Length, NoControl, NotEmpty, Once, Required, Text};
    let check = |body: &str, city, location| {
        assert_eq!(
            parse(body),
            fields(&[("city", city), ("location", location)]),
            "{body}"
        );
    };
    check("{}", Required, Required);
    check(r#"{"location": 5}"#, Required, Text);
    check(
        r#"{"location": " ", "city": "A\u0000"}"#,
        NoControl,
        NotEmpty,
    );
    let long = format!("{} \\n", "x".repeat(257));
    check(
        &format!(r#"{{"city": "{long}", "location": "{}"}}"#, "x".repeat(257)),
        NoControl,
        Length,
    );
    check(r#"{"location": null, "city": "A", "city": 5}"#, Once, Text);
    assert_eq!(
        parse(r#"{"city": 5}"#).unwrap_err().to_string(),
        "city must be a string; location is missing"
    );
    assert_eq!(
        WeatherRequest::new("", ""),
        fields(&[("city", NotEmpty), ("location", NotEmpty)])
    );
}

#[test]
fn length_is_counted_in_characters_as_they_were_sent() {
    let (long, padded) = ("ü".repeat(254), format!(" {} ", "ü".repeat(254)));
    let request = WeatherRequest::new(&padded, "B").unwrap();
    assert_eq!(request.city(), long);
    assert_eq!(
        WeatherRequest::new(&format!("{padded} "), "B"),
        fields(&[("city", Rule::Length)])
    );
}

#[test]
fn any_script_is_kept_as_it_is() {
    let texts = [
        "東京",
        "München",
        "Mu\u{308}nchen",
        "\u{202e}kroY weN",
        "zero\u{200b}width",
        "👩‍👩‍👧",
        "\u{200b}",
        "a\u{2028}b",
    ];
    for text in texts {
        let body = json!({"city": text, "location": text}).to_string();
        let request = parse(&body).unwrap();
        assert_eq!((request.city(), request.location()), (text, text));
    }
}

#[test]
fn serde_refuses_what_parse_refuses() {
    let error = serde_json::from_str::<WeatherRequest>(r#"{"city": " ", "location": "B"}"#);
    assert_eq!(error.unwrap_err().to_string(), "city must not be empty");
}

#[test]
fn no_text_repeats_what_was_sent() {
    for body in [
        r#"{"city": {"secret": 1}, "location": "B"}"#,
        r#"{"city": "secret" "#,
        r#"{"city": "secret", "location": secret}"#,
        r#"["secret"]"#,
        r#""secret""#,
        r#"{"city": "secret\u0000", "location": "B"}"#,
        r#"{"secret": "\x"}"#,
        r#"{"city": 5, "location": "secret"}"#,
    ] {
        let text = parse(body).unwrap_err().to_string();
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn every_prefix_of_a_request_is_broken_json() {
    let body = r#"{"city": "New York", "location": "B"}"#;
    assert!(parse(body).is_ok());
    for end in 1..body.len() {
        let defect = parse(&body[..end]).unwrap_err();
        assert!(
            matches!(defect, RequestDefect::NotJson(JsonDefect::Syntax { .. })),
            "{defect:?}"
        );
    }
}

proptest! {
    #[test]
    fn parse_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = WeatherRequest::parse(&body);
    }

    #[test]
    fn what_is_accepted_keeps_the_rules_and_survives_the_wire(
        city in "\\PC{0,300}|.{0,10}",
        location in "\\PC{1,20}",
    ) {
        let body = json!({"city": city, "location": location}).to_string();
        match WeatherRequest::parse(body.as_bytes()) {
            Ok(request) => {
                prop_assert_eq!(request.city(), city.trim());
                prop_assert!((1..=256).contains(&request.city().chars().count()));
                prop_assert!(!request.city().contains(char::is_control));
                let written = serde_json::to_vec(&request).unwrap();
                prop_assert_eq!(WeatherRequest::parse(&written), Ok(request));
            }
            Err(RequestDefect::Fields(defects)) => {
                prop_assert!(!defects.is_empty());
                for FieldDefect { field, rule } in defects {
                    let text = if field == "city" { &city } else { &location };
                    let holds = match rule {
                        Rule::NoControl => text.contains(char::is_control),
                        Rule::NotEmpty => text.trim().is_empty(),
                        Rule::Length => text.chars().count() > 256,
                        _ => false,
                    };
                    prop_assert!(holds, "{field} {rule}");
                }
            }
            Err(defect) => prop_assert!(false, "{defect:?}"),
        }
    }
}

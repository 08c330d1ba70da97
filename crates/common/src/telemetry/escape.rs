//! Keeping a log line one line.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Whether a character could end, overwrite or reorder a line where it is shown: control characters, Unicode's own line
/// ends, and the marks that turn the direction of what follows.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Passes text on with unsafe characters written as in a Rust literal: `\n`, `\u{1b}`.
pub(super) struct Escaped<W>(pub(super) W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(is_unsafe) {
            match piece.chars().next_back() {
                Some(last) if is_unsafe(last) => {
                    self.0.write_str(&piece[..piece.len() - last.len_utf8()])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

/// A line of JSON with the unsafe characters escaped that JSON itself allows in a string. Its own end stays.
pub(super) fn escape_json(line: &str) -> Cow<'_, str> {
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            // All of them are in the basic plane, so one escape of four digits is enough.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped.push_str(end);
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        Escaped(&mut out).write_str(text).unwrap();
        out
    }

    #[test]
    fn unsafe_characters_are_spelled_out() {
        assert_eq!(escaped("a\r\nb\tc"), r"a\r\nb\tc");
        assert_eq!(escaped("\u{1b}[31mred\u{7f}"), r"\u{1b}[31mred\u{7f}");
        assert_eq!(
            escaped("\u{85}\u{2028}\u{202e}x"),
            r"\u{85}\u{2028}\u{202e}x"
        );
        assert_eq!(escaped("München 東京 👩‍👧"), "München 東京 👩‍👧");
    }

    #[test]
    fn json_stays_the_same_json() {
        let line = "{\"city\":\"a\u{7f}\u{9b}\u{2029}b\"}\n";
        assert_eq!(
            escape_json(line),
            "{\"city\":\"a\\u007f\\u009b\\u2029b\"}\n"
        );
        assert!(matches!(
            escape_json("{\"city\":\"M\u{fc}nchen\"}\n"),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        #[test]
        fn nothing_unsafe_gets_through(text in any::<String>()) {
            prop_assert!(!escaped(&text).contains(is_unsafe));
            let json = serde_json::to_string(&text).unwrap();
            let line = escape_json(&json);
            prop_assert!(!line.contains(is_unsafe));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}

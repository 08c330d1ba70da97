//! What `INFO` answers: lines of a name, a colon and a value, under headings. Which of them there are differs between
//! servers and versions, and whoever hosts one may leave some out, so that everything that is read may be missing.

use super::{WireError, answer::bytes, fault::checked, resp::Value};

/// Most characters of a word that becomes the label of a metric.
pub(crate) const MAX_WORD: usize = 32;

/// The text of an answer.
#[derive(Debug)]
pub(super) struct Info(String);

impl Info {
    /// Some values are words of others, as the path of the program, and need not be UTF-8.
    pub(super) fn read(answer: Value) -> Result<Self, WireError> {
        let text = bytes(checked(answer)?)?;
        Ok(Self(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    }

    /// A number, which is finite and not negative.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let number: f64 = self.get(name)?.parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    }

    /// Whether the last attempt at this went wrong.
    pub(super) fn failed(&self, name: &str) -> Option<bool> {
        Some(self.get(name)? != "ok")
    }

    /// The first of these that is there and fit to be a label.
    pub(super) fn word(&self, names: &[&str]) -> String {
        names
            .iter()
            .find_map(|name| self.get(name).filter(|word| is_word(word)))
            .unwrap_or("unknown")
            .to_owned()
    }
}

impl From<String> for Info {
    fn from(text: String) -> Self {
        Self(text)
    }
}

fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(text: &str) -> Info {
        Info::from(text.to_owned())
    }

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let info = info("# Memory\r\nused_memory_rss:7\r\nused_memory:5\r\nused_memory:6\r\n");
        assert_eq!(info.get("used_memory"), Some("5"));
        assert_eq!(info.get("memory"), None);
        assert_eq!(info.get("# Memory"), None);
    }

    #[test]
    fn only_numbers_that_can_be_shown_are_numbers() {
        for (text, number) in [
            ("0", Some(0.0)),
            ("0.25", Some(0.25)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615.0)),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("", None),
            ("12K", None),
        ] {
            assert_eq!(info(&format!("n:{text}\r\n")).number("n"), number, "{text}");
        }
        assert_eq!(info("").number("n"), None);
    }

    #[test]
    fn a_label_is_a_short_word_or_unknown() {
        let version = |text: &str| info(text).word(&["valkey_version", "redis_version"]);
        assert_eq!(version("redis_version:8.6.3\r\n"), "8.6.3");
        let valkey = "redis_version:7.2.4\r\nvalkey_version:9.1.0-rc1\r\n";
        assert_eq!(version(valkey), "9.1.0-rc1");
        assert_eq!(version("redis_version:\r\n"), "unknown");
        assert_eq!(version("redis_version:8 \"6\"\r\n"), "unknown");
        assert_eq!(
            version(&format!("redis_version:{}", "8".repeat(33))),
            "unknown"
        );
        assert_eq!(version(""), "unknown");
    }

    #[test]
    fn what_is_no_utf8_hides_only_its_own_value() {
        let answer = Value::Text((&b"executable:/\xff\r\nloading:1\r\n"[..]).into());
        let info = Info::read(answer).expect("a text");
        assert_eq!(info.number("loading"), Some(1.0));
        assert!(Info::read(Value::Nil).is_err());
        assert!(Info::read(Value::Error("NOPERM".into())).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_wrong_number_or_word(name in "[a-z_]{0,8}", text in "(?s).*") {
            let info = Info::from(text);
            prop_assert!(info.number(&name).is_none_or(|number| number >= 0.0 && number.is_finite()));
            let word = info.word(&[&name]);
            prop_assert!(is_word(&word), "{}", word);
        }
    }
}

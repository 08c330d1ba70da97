//! What a provider says about a city.

use jiff::civil::Date;

/// The weather of one city on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weather {
    /// The day it is for, in UTC.
    pub date: Date,
    /// The temperature in whole °C.
    pub temperature_c: i32,
    /// A word or two for people.
    pub summary: &'static str,
}

/// The word for a temperature in °C: the same for the same number, wherever it was measured.
pub(super) fn word(temperature_c: i32) -> &'static str {
    match temperature_c {
        ..0 => "Freezing",
        0..5 => "Bracing",
        5..10 => "Chilly",
        10..15 => "Cool",
        15..20 => "Mild",
        20..24 => "Warm",
        24..28 => "Balmy",
        28..33 => "Hot",
        33..38 => "Sweltering",
        38.. => "Scorching",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_comes_back_once_it_was_left() {
        let mut words: Vec<_> = (-60..=60).map(word).collect();
        words.dedup();
        assert_eq!(words.len(), 10, "{words:?}");
    }
}

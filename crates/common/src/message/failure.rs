//! Why a proxy could not answer with weather.

use std::fmt;

/// The code of an error reply, the same word in the proxy that writes it and the ingress that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The provider knows no such city. The caller's to correct.
    CityUnknown,
    /// The request that reached the proxy is not one; an ingress checks before it sends, so this is a foreign writer.
    RequestInvalid,
    /// The provider answered with an error, or with something that is no weather.
    ProviderFailed,
    /// The provider did not answer in time.
    ProviderTimeout,
    /// The provider was not asked, because its circuit breaker is open or it asked to be left alone.
    ProviderUnavailable,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [FailureCode; 5] = [
        FailureCode::CityUnknown,
        FailureCode::RequestInvalid,
        FailureCode::ProviderFailed,
        FailureCode::ProviderTimeout,
        FailureCode::ProviderUnavailable,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            FailureCode::CityUnknown => "city-unknown",
            FailureCode::RequestInvalid => "request-invalid",
            FailureCode::ProviderFailed => "provider-failed",
            FailureCode::ProviderTimeout => "provider-timeout",
            FailureCode::ProviderUnavailable => "provider-unavailable",
        }
    }

    /// The code of a word on the wire; `None` for one of a newer version.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_word_of_its_own() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::parse(code.as_str()), Some(code));
        }
        assert_eq!(FailureCode::parse("city-unknown "), None);
    }
}

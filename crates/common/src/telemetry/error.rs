//! What a line says of an error.

use std::{error::Error, iter};

/// An error and what caused it, in one line.
pub fn error_text(error: &(dyn Error + 'static)) -> String {
    let chain = iter::successors(Some(error), |&error| error.source());
    let chain: Vec<_> = chain.map(ToString::to_string).collect();
    chain.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no forecast")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_what_they_caused() {
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(error_text(&error), "no forecast: connection refused");
    }
}

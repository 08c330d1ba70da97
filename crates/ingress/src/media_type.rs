//! Whether a body is JSON by what its headers say: `application/json`, in UTF-8, not compressed.

use axum::http::{HeaderMap, HeaderValue, header};

/// What the headers of a body say that is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnsupportedMediaType {
    /// No `Content-Type`, more than one, or not `application/json`.
    #[error("the content type is not application/json")]
    ContentType,
    /// A `charset` that is not UTF-8.
    #[error("the charset is not utf-8")]
    Charset,
    /// A `Content-Encoding`, or a `Transfer-Encoding` other than `chunked`.
    #[error("the body is encoded")]
    ContentEncoding,
}

/// Accepts `application/json` with or without `charset=utf-8`; other parameters say nothing to us.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), UnsupportedMediaType> {
    let all = |name, word| headers.get_all(name).iter().all(|coding| is(coding, word));
    // hyper undoes the last transfer coding, which must be `chunked`, and hands on what others were applied before.
    if !all(header::CONTENT_ENCODING, "identity") || !all(header::TRANSFER_ENCODING, "chunked") {
        return Err(UnsupportedMediaType::ContentEncoding);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return Err(UnsupportedMediaType::ContentType);
    };
    let content_type = content_type
        .to_str()
        .map_err(|_| UnsupportedMediaType::ContentType)?;
    let mut parts = content_type.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
    {
        return Err(UnsupportedMediaType::ContentType);
    }
    let mut charsets = parts
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'));
    match charsets.all(|charset| charset.eq_ignore_ascii_case("utf-8")) {
        true => Ok(()),
        false => Err(UnsupportedMediaType::Charset),
    }
}

fn is(value: &HeaderValue, word: &str) -> bool {
    value
        .as_bytes()
        .trim_ascii()
        .eq_ignore_ascii_case(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_headers(headers: &[(&'static str, &str)]) -> Result<(), UnsupportedMediaType> {
        let headers = headers.iter().map(|(name, value)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        check(&headers.collect())
    }

    #[test]
    fn json_in_utf8_is_accepted() {
        for content_type in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json ; profile=x",
            "application/json;",
        ] {
            assert_eq!(
                check_headers(&[("content-type", content_type)]),
                Ok(()),
                "{content_type}"
            );
        }
        let identity = [
            ("content-type", "application/json"),
            ("content-encoding", "identity"),
        ];
        assert_eq!(check_headers(&identity), Ok(()));
        let chunked = [
            ("content-type", "application/json"),
            ("transfer-encoding", "Chunked"),
        ];
        assert_eq!(check_headers(&chunked), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        use UnsupportedMediaType::{Charset, ContentEncoding, ContentType};
        assert_eq!(check_headers(&[]), Err(ContentType));
        for content_type in [
            "",
            "text/plain",
            "application/jsonp",
            "application/problem+json",
            "json",
            "multipart/form-data",
        ] {
            assert_eq!(
                check_headers(&[("content-type", content_type)]),
                Err(ContentType),
                "{content_type}"
            );
        }
        let twice = [
            ("content-type", "application/json"),
            ("content-type", "text/plain"),
        ];
        assert_eq!(check_headers(&twice), Err(ContentType));
        for charset in ["utf-16", "iso-8859-1", ""] {
            let content_type = format!("application/json; charset={charset}");
            assert_eq!(
                check_headers(&[("content-type", &content_type)]),
                Err(Charset),
                "{charset}"
            );
        }
        let transfer = [
            ("content-type", "application/json"),
            ("transfer-encoding", "gzip, chunked"),
        ];
        assert_eq!(check_headers(&transfer), Err(ContentEncoding));
        for coding in ["gzip", "br", "identity, gzip", ""] {
            let headers = [
                ("content-type", "application/json"),
                ("content-encoding", coding),
            ];
            assert_eq!(check_headers(&headers), Err(ContentEncoding), "{coding}");
        }
    }
}

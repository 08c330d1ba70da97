//! What holds for any bytes from outside. The fuzz targets in `fuzz/` look for bytes that break it; the test below
//! checks it for those that are kept.

use serde_json::Value;

use crate::message::{MAX_CHARACTERS, RequestDefect, WeatherRequest};

/// The body of a request, as callers send it and as a foreign writer may put it on the stream.
pub fn request_json(body: &[u8]) {
    let is_json = serde_json::from_slice::<Value>(body).is_ok();
    match WeatherRequest::parse(body) {
        Ok(request) => {
            assert!(is_json, "taken, and no JSON");
            for text in [request.city(), request.location()] {
                assert!(!text.is_empty() && text == text.trim());
                assert!(text.chars().count() <= MAX_CHARACTERS);
                assert!(!text.chars().any(char::is_control));
            }
            let written = serde_json::to_vec(&request).unwrap_or_default();
            assert!(!written.contains(&b'\n'), "it ends an envelope's head");
            assert_eq!(WeatherRequest::parse(&written), Ok(request));
        }
        Err(defect) => {
            let syntax = !matches!(defect, RequestDefect::Fields(_));
            assert_eq!(syntax, !is_json, "{defect}");
            let told = defect.to_string();
            assert!(told.len() <= 128, "it repeats what was sent: {told}");
            assert!(!told.chars().any(char::is_control));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn request_json() {
        testbed::each_input("request_json", super::request_json).unwrap();
    }
}

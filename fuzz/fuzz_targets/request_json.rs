#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::within(
    96,
    input,
    common::properties::request_json
));

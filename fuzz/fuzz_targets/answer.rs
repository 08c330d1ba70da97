#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::within(
    512,
    input,
    streams::properties::answer
));

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::within(16, input, streams::properties::info));

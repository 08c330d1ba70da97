#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::within(64, input, proxy::properties::open_meteo));

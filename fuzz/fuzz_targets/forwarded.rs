#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| auth_fuzz_targets::run("forwarded", input));

//! Any bytes at the codec boundary.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatehouse_broker::fuzzing::decode(bytes));

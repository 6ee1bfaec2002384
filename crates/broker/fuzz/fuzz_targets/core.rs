//! Any schedule of packets, time, losses and crashes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gatehouse_broker::fuzzing::schedule(bytes));

//! Feeds the fuzzer's inputs to the interpreter of `dequeue` operations.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trials::run("dequeue", input));

//! Feeds the fuzzer's inputs to the interpreter of `value` operations.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| trials::run("value", input));

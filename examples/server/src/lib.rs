//! A service that answers reports in JSON, compressed, from pools; and what it takes to measure it.
//!
//! ```text
//!   POST /report {"rows": 300, "seed": 7}
//!        │ body ──► buffer ─┐                        pool of buffers
//!        │                  ▼ parsed
//!        │                report ── written ──► buffer      pools of reports and buffers
//!        │                                        │ packed by a compressor     pool of compressors
//!        ▼                                        ▼
//!   answer ◄── Bytes that own their buffer ◄── buffer: back in its pool when the last byte is sent
//! ```

pub mod count;
pub mod load;
pub mod parts;
pub mod patient;
pub mod report;
pub mod service;

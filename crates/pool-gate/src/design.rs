//! How the gate works, and why it may.

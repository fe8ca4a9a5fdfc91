//! What must not compile, each beside what must.

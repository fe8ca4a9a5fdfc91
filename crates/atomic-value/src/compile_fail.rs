//! What must not compile, each case beside a twin that does.

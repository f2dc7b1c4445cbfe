//! One message at a time.

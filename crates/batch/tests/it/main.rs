//! Integration tests of the batch runner.

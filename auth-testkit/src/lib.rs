//! Proves stores.

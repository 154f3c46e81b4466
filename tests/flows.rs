//! The flows of an account's life, through `Auth` alone.

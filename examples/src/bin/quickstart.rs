//! Shows a whole account life.
fn main() {}

//! Builds again when a page changes: the pages are embedded, and the compiler does not see them.

fn main() {
    println!("cargo:rerun-if-changed=pages");
}

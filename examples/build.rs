//! Builds anew when a page changed: the pages are embedded, and the compiler does not know of them.

fn main() {
    println!("cargo:rerun-if-changed=pages");
}

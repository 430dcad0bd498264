//! The migrations are compiled into the binary: a new file there is a reason to compile again.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}

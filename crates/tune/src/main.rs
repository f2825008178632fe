//! The `tune` program.

fn main() {}

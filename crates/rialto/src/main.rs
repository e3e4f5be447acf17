//! The `rialto` command. See the library of the same name.

use std::process::ExitCode;

/// What one thread allocates another frees, a few times for each transaction, and this one makes neither wait for the other. Whoever is
/// compared with us in this process gets the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(rialto::cli::run())
}

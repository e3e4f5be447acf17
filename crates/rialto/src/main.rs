//! The `rialto` command. See the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rialto::cli::run())
}

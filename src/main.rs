//! The entrance.

use std::process::ExitCode;

fn main() -> ExitCode {
    peregrine::cli::run()
}

//! `schema`: the configuration's JSON Schema, with which editors complete and check it.

use std::process::ExitCode;

use super::print;
use crate::config;

/// Prints the schema.
pub(super) fn run() -> ExitCode {
    print::out(format_args!("{:#}\n", config::schema()));
    ExitCode::SUCCESS
}

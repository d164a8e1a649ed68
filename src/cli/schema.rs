//! `schema`: the configuration's JSON Schema, with which editors complete and check it.

use std::process::ExitCode;

use crate::config;

/// Prints the schema.
pub(super) fn run() -> ExitCode {
    super::print(&format!("{:#}\n", config::schema()));
    ExitCode::SUCCESS
}

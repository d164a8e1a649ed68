//! `schema`: the configuration's JSON Schema, with which editors complete and check it.

use std::process::ExitCode;

use super::print;
use crate::config;

/// What it is good for.
pub(super) const AFTER_HELP: &str = "\
Save it beside your configuration (peregrine schema > config.schema.json), and begin that with \
this line: editors then complete and check it.

  # yaml-language-server: $schema=config.schema.json";

/// Prints the schema.
pub(super) fn run() -> ExitCode {
    print::out(format_args!("{:#}\n", config::schema()));
    ExitCode::SUCCESS
}

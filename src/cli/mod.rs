//! The command line: the table of contents of the program.
//!
//! Results go to standard output, everything else to standard error. Each command has its file and
//! answers with an exit code from the list below.

mod check;
mod keys;
mod schema;
mod serve;

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code for a configuration that is wrong or missing: `EX_CONFIG` of sysexits.h.
pub const WRONG_CONFIGURATION: u8 = 78;

/// A push gateway for Matrix: takes notifications from homeservers and hands them to Apple, Google
/// and others.
#[derive(Debug, Parser)]
#[command(name = "peregrine", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Options {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

const CONFIG_HELP: &str =
    "The configuration file [default: $PEREGRINE_CONFIG, else $SYGNAL_CONF, else ./config.yaml]";

const AFTER_HELP: &str = "\
Exit codes: 0 fine, 1 failed while running, 2 wrong usage, 78 wrong or missing configuration.

To begin, write this to config.yaml and run `peregrine`:

  apps:
    org.example.try:
      type: log";

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is stopped (what happens without a command)
    Serve,
    /// Read the configuration and every key file as `serve` would, and tell what is wrong
    Check(check::Options),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Make keys
    Keys(keys::Options),
}

impl Options {
    /// Returns the configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| {
            ["PEREGRINE_CONFIG", "SYGNAL_CONF"]
                .into_iter()
                .filter_map(env::var_os)
                .find(|path| !path.is_empty())
                .map_or_else(|| "config.yaml".into(), PathBuf::from)
        })
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    let mut options = Options::parse();
    match options.command.take() {
        None | Some(Command::Serve) => serve::run(&options),
        Some(Command::Check(check)) => check::run(&options, &check),
        Some(Command::Schema) => schema::run(),
        Some(Command::Keys(keys)) => keys::run(&keys),
    }
}

/// Reads a variable of the process for the configuration.
fn environment(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Prints a result. A reader that has gone (`| head`) wants no more of it, and that is no failure.
fn print(result: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(result.as_bytes()).and_then(|()| out.flush());
}

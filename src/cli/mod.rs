//! The command line: the table of contents of the program.
//!
//! Results go to standard output, everything else to standard error (`print`). Each command has its
//! file and answers with an exit code from the list below.

mod check;
mod health;
mod keys;
mod manual;
mod online;
mod print;
mod push;
mod render;
mod schema;
mod send;
mod serve;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use actix_rt::System;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{self, Loaded};
use crate::telemetry::config::{LogConfig, MetricsConfig};
use crate::telemetry::{self, Metrics, Telemetry};

/// Exit code for a configuration that is wrong or missing: `EX_CONFIG` of sysexits.h.
pub const WRONG_CONFIGURATION: u8 = 78;

/// A push gateway for Matrix: takes notifications from homeservers and hands them to Apple, Google,
/// browsers and UnifiedPush.
#[derive(Debug, Parser)]
#[command(name = "peregrine", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Options {
    /// The configuration file
    #[arg(short, long, global = true, value_name = "FILE", help = CONFIG_HELP, display_order = 900)]
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
    #[command(after_help = serve::AFTER_HELP)]
    Serve,
    /// Read the configuration and every key file as `serve` would, and tell what is wrong
    #[command(after_help = check::AFTER_HELP)]
    Check(check::Options),
    /// Show the provider request for each device of a /notify body on standard input; sends nothing
    #[command(after_help = render::AFTER_HELP)]
    Render(render::Options),
    /// Send one test notification the way real ones go, and show each step
    #[command(after_help = send::AFTER_HELP)]
    Send(send::Options),
    /// Ask the running gateway whether it is ready: the probe for containers
    #[command(after_help = health::AFTER_HELP)]
    Health(health::Options),
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_help = schema::AFTER_HELP)]
    Schema,
    /// Make keys that you would need other tools for
    Keys(keys::Options),
    /// Print a completion script for a shell
    #[command(after_help = manual::AFTER_COMPLETIONS_HELP)]
    Completions(manual::CompletionsOptions),
    /// Print the manual page, or write those of all commands into a folder
    #[command(after_help = manual::AFTER_MAN_HELP)]
    Man(manual::ManOptions),
}

/// The commands that read no configuration: they take `--config` as all do, and do not offer it.
const WITHOUT_CONFIG: [&str; 4] = ["schema", "keys", "completions", "man"];

/// Returns the definition of the command line: what parses it, and what manuals tell of it.
fn definition() -> clap::Command {
    let command = Options::command();
    let config = command.get_arguments().find(|it| it.get_id() == "config");
    let silent = config.map(|it| it.clone().hide(true));
    WITHOUT_CONFIG
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, |it| it.args(silent.clone())))
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

    /// Reads the configuration and every key file; tells what is wrong.
    fn load(&self) -> Result<Loaded, ExitCode> {
        self.load_into(&Metrics::new())
    }

    /// Reads the configuration with apps that count into `metrics`; tells what is wrong.
    fn load_into(&self, metrics: &Arc<Metrics>) -> Result<Loaded, ExitCode> {
        config::load(&self.config(), &environment, metrics).map_err(|report| {
            print::err(report);
            ExitCode::from(WRONG_CONFIGURATION)
        })
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    let parsed = Options::from_arg_matches(&definition().get_matches());
    let mut options = parsed.unwrap_or_else(|wrong| wrong.exit());
    match options.command.take() {
        None | Some(Command::Serve) => serve::run(&options),
        Some(Command::Check(check)) => check::run(&options, &check),
        Some(Command::Render(render)) => render::run(&options, &render),
        Some(Command::Send(send)) => send::run(&options, &send),
        Some(Command::Health(health)) => health::run(&options, &health),
        Some(Command::Schema) => schema::run(),
        Some(Command::Keys(keys)) => keys::run(&keys),
        Some(Command::Completions(shell)) => manual::completions(&shell),
        Some(Command::Man(man)) => manual::man(&man),
    }
}

/// Reads a variable of the process for the configuration.
fn environment(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Starts the log, and what is sent besides; tells why it cannot.
fn start_log(log: &LogConfig, metrics: &MetricsConfig) -> Result<Telemetry, ExitCode> {
    telemetry::start(log, metrics, &environment).map_err(|error| {
        print::err(format_args!("{error}\n"));
        ExitCode::FAILURE
    })
}

/// Runs what is off the way of a notification (for `serve`, the accept loop) on this thread; worker
/// threads have runtimes of their own.
fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    System::with_tokio_rt(|| runtime).block_on(future)
}

//! `completions` and `man`: what shells and readers of manuals know of the command line, made from
//! the same definition that parses it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::print;

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsOptions {
    /// The shell
    shell: Shell,
}

/// Where to.
#[derive(Debug, Args)]
pub(super) struct ManOptions {
    /// A folder for the pages of all commands; without one, the main page is printed
    folder: Option<PathBuf>,
}

/// Prints a completion script.
pub(super) fn completions(options: &CompletionsOptions) -> ExitCode {
    let mut script = Vec::new();
    let mut command = super::Options::command();
    clap_complete::generate(options.shell, &mut command, "peregrine", &mut script);
    print::out(String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// Prints the main page, or writes all of them.
pub(super) fn man(options: &ManOptions) -> ExitCode {
    let written = match &options.folder {
        Some(folder) => write_all(folder),
        None => main_page().map(print::out),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::err(format_args!("cannot write the manual: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn main_page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write_all(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command(), folder)
}

/// Returns the definition without `help`, which is no command of its own in a manual.
fn command() -> clap::Command {
    super::Options::command().disable_help_subcommand(true)
}

//! `completions` and `man`: what shells and readers of manuals know of the command line, made from
//! the same definition that parses it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::error::ContextKind;
use clap::{Arg, Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{definition, print};

/// Where scripts go.
pub(super) const AFTER_COMPLETIONS_HELP: &str = "\
Where it is read from, for you alone:

  bash  peregrine completions bash > ~/.local/share/bash-completion/completions/peregrine
  zsh   peregrine completions zsh > ~/.zfunc/_peregrine   (a folder of your $fpath)
  fish  peregrine completions fish > ~/.config/fish/completions/peregrine.fish";

/// How to read pages.
pub(super) const AFTER_MAN_HELP: &str = "\
To read it at once: peregrine man | man -l -
To keep all pages:  peregrine man /usr/local/share/man/man1";

/// For which shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsOptions {
    /// The shell
    #[arg(value_parser = Shells(EnumValueParser::new()))]
    shell: Shell,
}

/// The shells, none of which is another one misspelt: zsh would be proposed to users of tcsh.
#[derive(Clone)]
struct Shells(EnumValueParser<Shell>);

impl TypedValueParser for Shells {
    type Value = Shell;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Shell, clap::Error> {
        let mut parsed = self.0.parse_ref(command, arg, value);
        if let Err(error) = &mut parsed {
            error.remove(ContextKind::SuggestedValue);
        }
        parsed
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
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
    clap_complete::generate(options.shell, &mut definition(), "peregrine", &mut script);
    print::out(String::from_utf8_lossy(&script));
    ExitCode::SUCCESS
}

/// Prints the main page, or writes all of them.
pub(super) fn man(options: &ManOptions) -> ExitCode {
    let written = match &options.folder {
        Some(folder) => {
            write_all(folder).map_err(|error| format!(" to {}: {error}", folder.display()))
        }
        None => main_page().map(print::out).map_err(|error| format!(": {error}")),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::err(format_args!("cannot write the manual{error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn main_page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(pages()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write_all(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(pages(), folder)
}

/// Returns the definition without `help`, which is no command of its own in a manual.
fn pages() -> Command {
    definition().disable_help_subcommand(true)
}

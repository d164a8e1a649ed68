//! What is made of the command line's definition: help, completions, manual pages.

use std::fs;

use crate::Folder;
use crate::providers::{run, text};

const COMMANDS: [&str; 9] = [
    "serve",
    "check",
    "render",
    "send",
    "health",
    "schema",
    "keys",
    "completions",
    "man",
];

#[test]
fn every_shell_knows_every_command() {
    let folder = Folder::with("");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&folder, &["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output);
        for word in COMMANDS.iter().chain(&["event-id-only", "online"]) {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    assert_eq!(run(&folder, &["completions", "csh"]).status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let folder = Folder::with("");
    let page = text(&run(&folder, &["man"]));
    assert!(page.contains(".TH peregrine 1"), "{page}");
    assert!(page.contains("Exit codes"), "{page}");
    let output = run(&folder, &["man", "share/man1"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    let pages = folder.path().join("share/man1");
    assert_eq!(fs::read_to_string(pages.join("peregrine.1")).unwrap(), page);
    for command in COMMANDS {
        let page = fs::read_to_string(pages.join(format!("peregrine-{command}.1")));
        assert!(page.unwrap().contains(command));
    }
    let output = run(&folder, &["man", "config.yaml"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn help_of_the_commands_that_try_things() {
    let folder = Folder::with("");
    for command in ["check", "render", "send", "health", "completions", "man"] {
        let help = text(&run(&folder, &[command, "--help"]));
        insta::with_settings!({ omit_expression => true }, {
            insta::assert_snapshot!(format!("help_{command}"), help);
        });
    }
}

//! What is made of the command line's definition: help, completions, manual pages.

use std::fmt::Write as _;
use std::fs;

use crate::Folder;
use crate::providers::{run, text};

const COMMANDS: [&str; 9] =
    ["serve", "check", "render", "send", "health", "schema", "keys", "completions", "man"];

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
    let output = run(&folder, &["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("bash, elvish, fish, powershell, zsh"), "{said}");
    assert!(!said.contains("similar"), "{said}");
}

#[test]
fn commands_that_read_no_configuration_take_its_name_all_the_same() {
    let folder = Folder::with("apps: {");
    for args in [
        &["schema", "-c", "config.yaml"][..],
        &["-c", "config.yaml", "keys", "vapid"],
        &["keys", "-c", "config.yaml", "vapid"],
        &["keys", "vapid", "-c", "config.yaml"],
        &["man", "--config", "config.yaml"],
        &["completions", "bash", "-c", "missing.yaml"],
    ] {
        assert_eq!(run(&folder, args).status.code(), Some(0), "{args:?}");
    }
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
    for no_folder in ["config.yaml", "config.yaml/man1"] {
        let output = run(&folder, &["man", no_folder]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        let begins = format!("cannot write the manual to {no_folder}: ");
        assert!(said.starts_with(&begins), "{said}");
    }
}

/// What a new user reads, page by page.
#[test]
fn help() {
    let folder = Folder::with("");
    let mut pages = text(&run(&folder, &["--help"]));
    for command in COMMANDS.iter().chain(&["keys vapid"]) {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let page = text(&run(&folder, &args));
        assert_eq!(page, text(&run(&folder, &[&args[..args.len() - 1], &["-h"]].concat())));
        let _ = write!(pages, "\n=== peregrine {command} ===\n\n{page}");
    }
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(pages);
    });
}

//! The commands of `docs/authctl.md`, run in their order, print the text that it shows.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use auth_tests::page::{self, matches};
use regex::Regex;

use crate::place::Place;

const GUIDE: &str = include_str!("../../../docs/authctl.md");

/// The commands of the guide that can be run, each with its output.
fn steps() -> Vec<(&'static str, &'static str)> {
    let mut blocks = page::blocks(GUIDE).into_iter();
    let mut steps = Vec::new();
    while let Some(block) = blocks.next() {
        match block.kind {
            "sh run" => {
                let output = blocks.next().unwrap();
                assert_eq!(output.kind, "text", "after {}", block.text);
                steps.push((block.text, output.text));
            }
            "sh" => {}
            other => panic!("a block of an unknown kind: {other}"),
        }
    }
    steps
}

/// Builds nothing: cargo must know the package, and the shell must find the program in the named folder.
#[test]
fn the_guide_builds_the_command() {
    let [build] = page::all(GUIDE, "sh");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let command = build.trim().strip_prefix("cargo build ").unwrap();
    let (arguments, then) = command.split_once(" && ").unwrap();
    // What cargo would build, without building it.
    let asked = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--depth", "0", "--prefix", "none"])
        .args(arguments.split(' '))
        .current_dir(repository)
        .output()
        .unwrap();
    let found = String::from_utf8(asked.stdout).unwrap();
    assert!(found.starts_with("authctl v"), "{found}{}", String::from_utf8_lossy(&asked.stderr));
    let place = Place::sqlite();
    let programs = place.directory.path().join("target/debug");
    fs::create_dir_all(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_authctl"), programs.join("authctl")).unwrap();
    let found = Command::new("bash")
        .args(["-c", &format!("{then}\ncommand -v authctl")])
        .current_dir(place.directory.path())
        .output()
        .unwrap();
    let programs = programs.canonicalize().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap().trim(), programs.join("authctl").to_str().unwrap());
}

#[test]
fn the_guide_shows_the_output_of_its_commands() {
    let place = Place::sqlite();
    let authctl = Path::new(env!("CARGO_BIN_EXE_authctl"));
    let path = format!("{}:{}", authctl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let steps = steps();
    assert!(steps.len() > 6);
    for (commands, expected) in steps {
        let output = Command::new("bash")
            .args(["-c", commands])
            .env_clear()
            .env("PATH", &path)
            .current_dir(place.directory.path())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            matches(&printed, expected),
            "{commands}\nprinted\n{printed}{}\ninstead of\n{expected}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_guide_and_the_help_have_the_same_statuses() {
    let help = Place::sqlite().run(&["--help"]).expect(0).out;
    let (_, statuses) = help.split_once("Exit status:\n").unwrap();
    let statuses: Vec<&str> =
        statuses.lines().map_while(|line| line.strip_prefix("  ")?.trim().split("  ").next()).collect();
    let row = Regex::new(r"(?m)^\| (\d+) \|").unwrap();
    let listed: Vec<&str> = row.captures_iter(GUIDE).map(|row| row.get(1).unwrap().as_str()).collect();
    assert_eq!(statuses, listed);
    assert!(statuses.len() == 10, "{statuses:?}");
}

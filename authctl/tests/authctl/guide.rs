//! `docs/authctl.md` is true: its commands, run in their order, print what it says.

use std::process::Command;

use regex::Regex;

use crate::place::Place;

const GUIDE: &str = include_str!("../../../docs/authctl.md");

/// The commands of the guide that are for running, each with what it prints.
fn steps() -> Vec<(&'static str, &'static str)> {
    let mut blocks = GUIDE.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap());
    let mut steps = Vec::new();
    while let Some((kind, text)) = blocks.next() {
        match kind {
            "sh run" => {
                let (kind, output) = blocks.next().unwrap();
                assert_eq!(kind, "text", "after {text}");
                steps.push((text, output));
            }
            "sh" => {}
            other => panic!("a block of an unknown kind: {other}"),
        }
    }
    steps
}

/// Whether the text is the pattern, in which `...` stands for anything on one line.
fn matches(text: &str, pattern: &str) -> bool {
    let pattern = regex::escape(pattern).replace(r"\.\.\.", r"[^\n]*");
    Regex::new(&format!(r"\A{pattern}\z")).unwrap().is_match(text)
}

#[test]
fn the_guide_says_what_happens() {
    let place = Place::sqlite();
    let authctl = std::path::Path::new(env!("CARGO_BIN_EXE_authctl"));
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

/// The statuses of the help are those of the guide.
#[test]
fn the_guide_and_the_help_have_the_same_statuses() {
    let help = Place::sqlite().run(&["--help"]).expect(0).out;
    let (_, told) = help.split_once("Exit status:\n").unwrap();
    let told: Vec<&str> =
        told.lines().map_while(|line| line.strip_prefix("  ")?.trim().split("  ").next()).collect();
    let row = Regex::new(r"(?m)^\| (\d+) \|").unwrap();
    let listed: Vec<&str> = row.captures_iter(GUIDE).map(|row| row.get(1).unwrap().as_str()).collect();
    assert_eq!(told, listed);
    assert!(told.len() == 9, "{told:?}");
}

//! `docs/http.md` is true: its commands, run in their order against a fresh server, print what it says.

use std::process::Command;

use regex::Regex;

use crate::server::PROGRAMS;

const GUIDE: &str = include_str!("../../../docs/http.md");

/// The commands of the guide, each with what it prints, if the guide says so.
fn steps() -> Vec<(String, Option<String>)> {
    let mut steps: Vec<(String, Option<String>)> = Vec::new();
    for block in GUIDE.split("```").skip(1).step_by(2) {
        match block.split_once('\n').unwrap() {
            ("sh", commands) => steps.push((commands.to_owned(), None)),
            ("text", output) => steps.last_mut().unwrap().1 = Some(output.to_owned()),
            (other, _) => panic!("a block of an unknown kind: {other}"),
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
    for program in PROGRAMS {
        let server = program.start_in(tempfile::tempdir().unwrap(), &[]);
        let here = format!("http://localhost:{}", server.addr.port());
        let steps = steps();
        let commands: Vec<&str> = steps.iter().map(|(commands, _)| commands.as_str()).collect();
        let script = commands.join(
            "
echo; echo '== next'
",
        );
        let script = script.replace("http://localhost:3000", &here);
        let output = Command::new("bash")
            .env("LC_ALL", "C")
            .arg("-c")
            .arg(script)
            .current_dir(server.directory())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        let outputs: Vec<&str> = printed.split("\n== next\n").collect();
        assert_eq!(outputs.len(), steps.len());
        for ((commands, expected), printed) in steps.iter().zip(outputs) {
            let expected = expected.as_deref().unwrap_or_default();
            // curl ends no answer with a line of its own.
            let squeezed = |text: &str| {
                text.replace("}{", "}\n{").replace("}\"", "}\n\"").replace('\r', "").trim().to_owned()
            };
            assert!(
                matches(&squeezed(printed), expected.trim()),
                "{program:?}:\n{commands}\nprinted\n{printed}\ninstead of\n{expected}"
            );
        }
    }
}

//! The files of `examples/deploy` and the commands of `docs/deploy.md`: installed into an empty folder, they start a
//! server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use auth_tests::page::all;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::server::{STDERR, STDOUT, Server, ended_within, spawn};

const PAGE: &str = include_str!("../../../docs/deploy.md");
const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");
const IGNORED: &str = include_str!("../../deploy/Dockerfile.dockerignore");

/// What needs root or systemd. `sudo` runs what it is given.
const STUBS: &str =
    "sudo() { \"$@\"; }; useradd() { :; }; chown() { :; }; systemctl() { echo \"$*\" >>systemctl; }\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A folder that stands for `/`, with a checkout in it that was built.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempdir().unwrap());
        let built = machine.0.path().join("checkout/target/release");
        fs::create_dir_all(&built).unwrap();
        std::os::unix::fs::symlink(repository().join("examples"), machine.0.path().join("checkout/examples"))
            .unwrap();
        fs::copy(env!("CARGO_BIN_EXE_server"), built.join("server")).unwrap();
        fs::write(built.join("authctl"), "").unwrap();
        machine
    }

    /// The text with every absolute path in this folder.
    fn inside(&self, text: &str) -> String {
        let root = self.0.path().to_str().unwrap();
        let roots = ["/usr/local/", "/etc/", "/var/lib/"];
        roots.iter().fold(text.to_owned(), |text, path| text.replace(path, &format!("{root}{path}")))
    }

    fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(self.inside(path))
    }

    fn type_in(&self, commands: &str) {
        let output = Command::new("bash")
            .args(["-e", "-o", "pipefail", "-c", &format!("{STUBS}{}", self.inside(commands))])
            .current_dir(self.0.path().join("checkout"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The values of the installed unit; the last one of each name.
    fn unit(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.path("/etc/systemd/system/auth.service")).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
        lines
            .map(|line| line.split_once('=').map(|(name, value)| (name.into(), value.into())).unwrap())
            .collect()
    }

    /// The variables as systemd reads them: no quotes, no comment behind a value.
    fn variables(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.path(&self.unit()["EnvironmentFile"])).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let pairs = lines.map(|line| line.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), self.inside(value))).collect()
    }

    /// Starts what the unit starts, where it starts it.
    fn start(&self) -> Child {
        let unit = self.unit();
        let directory = self.path(&unit["WorkingDirectory"]);
        // systemd makes the directory.
        assert_eq!(unit["WorkingDirectory"], format!("/var/lib/{}", unit["StateDirectory"]));
        fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new(self.path(&unit["ExecStart"]));
        spawn(command.env_clear().envs(self.variables()).env("PORT", "0"), &directory)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("/var/lib/auth/").join(STDERR)).unwrap()
    }
}

#[test]
fn the_commands_of_the_page_start_a_server() {
    let [_, install, secrets, start, _, _] = all(PAGE, "sh");
    let machine = Machine::new();
    machine.type_in(install);
    machine.type_in(secrets);
    let (reload, ask) = start.split_once("curl").unwrap();
    machine.type_in(reload);
    let asked = fs::read_to_string(machine.0.path().join("checkout/systemctl")).unwrap();
    assert_eq!(asked, "daemon-reload\nenable --now auth\n");

    // One setting is left to be filled in, and named.
    let mut unfinished = machine.start();
    let status = ended_within(&mut unfinished, Duration::from_secs(20)).unwrap().code().unwrap();
    let said = machine.log();
    assert!(status == 78 && said.lines().count() == 2 && said.contains("  SMTP_URL "), "{said}");
    let unit = machine.unit();
    assert!(unit["RestartPreventExitStatus"].split(' ').any(|never| never == "78"));

    let file = machine.path("/etc/auth/auth.env");
    let filled = fs::read_to_string(&file).unwrap();
    let filled = filled.replace("SMTP_URL=\n", "SMTP_URL=smtps://user:hunter2@mail.example.com:465\n");
    fs::write(&file, filled).unwrap();
    let child = machine.start();
    let directory = tempdir().unwrap();
    let printed = machine.path("/var/lib/auth/").join(STDOUT);
    for name in [STDOUT, STDERR] {
        std::os::unix::fs::symlink(printed.with_file_name(name), directory.path().join(name)).unwrap();
    }
    let variables = machine.variables();
    let pairs: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut server = Server::listening(child, directory, &pairs);
    let path = ask.trim().split_once("http://127.0.0.1:3000").unwrap().1;
    assert_eq!(path, "/health/ready");
    server.root("GET", path).send().expect(200);
    server.root("GET", "/").send().expect(404);
    assert!(machine.path("/var/lib/auth/").join("auth.db").exists());
    let begun = Instant::now();
    let (status, _) = server.terminate();
    assert_eq!(status.code(), Some(0));
    let patience: u64 = unit["TimeoutStopSec"].strip_suffix('s').unwrap().parse().unwrap();
    assert!(patience > 10 && begun.elapsed() < Duration::from_secs(patience));
}

#[test]
fn secrets_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let [_, install, secrets, _, _, _] = all(PAGE, "sh");
    let machine = Machine::new();
    machine.type_in(install);
    machine.type_in(secrets);
    for file in ["/etc/auth/auth.env", "/etc/auth/jwt.pem"] {
        let mode = fs::metadata(machine.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} has mode {mode:o}");
    }
}

/// The packages and binaries that a cargo command builds, without building them.
fn built(command: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let words: Vec<&str> = command.split_whitespace().collect();
    assert!(words.starts_with(&["cargo", "build", "--release", "--locked"]), "{command}");
    let after = |flag| words.windows(2).filter(move |pair| pair[0] == flag).map(|pair| pair[1]).collect();
    let (packages, binaries): (BTreeSet<_>, BTreeSet<_>) = (after("-p"), after("--bin"));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(repository())
        .output()
        .unwrap();
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeSet::new();
    for package in known["packages"].as_array().unwrap() {
        if packages.contains(package["name"].as_str().unwrap()) {
            let targets = package["targets"].as_array().unwrap().iter();
            let programs = targets.filter(|target| target["kind"][0] == "bin");
            found.extend(programs.map(|target| target["name"].as_str().unwrap().to_owned()));
        }
    }
    assert!(binaries.iter().all(|name| found.contains(*name)), "{binaries:?} of {found:?}");
    (packages, binaries)
}

/// The instructions, each in one line.
fn instructions() -> Vec<String> {
    let joined = DOCKERFILE.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// No docker builds it here.
#[test]
fn the_image_is_built_as_the_page_builds_it() {
    let [build, _, _, _, _, image] = all(PAGE, "sh");
    let instructions = instructions();
    let cargo = instructions.iter().find_map(|line| line.strip_prefix("RUN cargo")).unwrap();
    let cargo = format!("cargo{cargo}");
    let (_, binaries) = built(&cargo);
    assert_eq!(built(build), built(&cargo));
    let copied: Vec<&str> = instructions
        .iter()
        .filter_map(|line| line.strip_prefix("COPY --from=build /src/target/release/"))
        .collect();
    let names: BTreeSet<&str> = copied.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names, binaries);
    assert!(copied.contains(&"server /usr/local/bin/auth-server"), "{copied:?}");
    let place = |line: &str| instructions.iter().position(|one| one == line);
    let (user, entry) = (place("USER 10001"), place("ENTRYPOINT [\"auth-server\"]"));
    assert!(user.is_some() && user < entry, "it runs as an account without rights");
    // The oldest Rust that builds it.
    let version = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let rust = version.split_once("rust-version = \"").unwrap().1.split('"').next().unwrap();
    assert!(instructions[0].starts_with(&format!("FROM rust:{rust}-")), "{}", instructions[0]);
    // What the build reads is sent to it.
    for needed in ["docs", "Cargo.lock", "examples", "pages"] {
        assert!(IGNORED.lines().all(|line| !line.contains(needed)), "{needed}");
    }
    assert!(image.starts_with("docker build -f examples/deploy/Dockerfile -t auth .\n"), "{image}");
    assert!(image.contains("--env-file /etc/auth/auth.env") && image.contains("--stop-timeout 30"));
}

/// systemd itself is not here.
#[test]
fn authctl_runs_as_the_unit_runs_the_server() {
    let [_, install, _, _, administer, _] = all(PAGE, "sh");
    let machine = Machine::new();
    machine.type_in(install);
    let unit = machine.unit();
    for (option, name) in [
        ("--uid=", "User"),
        ("--property=EnvironmentFile=", "EnvironmentFile"),
        ("--working-directory=", "WorkingDirectory"),
    ] {
        let given = administer.split_whitespace().find_map(|word| word.strip_prefix(option));
        assert_eq!(given, Some(unit[name].as_str()), "{option}");
    }
    let program = administer.split_whitespace().find(|word| word.starts_with('/')).unwrap();
    assert!(program.ends_with("/authctl") && machine.path(program).exists(), "{program}");
}

/// A place where systemd would look, with a program that is there.
#[test]
fn systemd_has_no_complaint_about_the_unit() {
    let machine = Machine::new();
    let unit = fs::read_to_string(repository().join("examples/deploy/auth.service")).unwrap();
    let file = machine.0.path().join("auth.service");
    fs::write(&file, unit.replace("/usr/local/bin/auth-server", env!("CARGO_BIN_EXE_server"))).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

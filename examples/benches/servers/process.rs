//! A server in a separate process, and the system's figures about it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::results::Failure;

/// The example server on axum, without limits; killed when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    _directory: TempDir,
}

impl Server {
    pub(crate) fn start(database_url: &str) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let log = fs::File::create(directory.path().join("log"))?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_server"))
            .env_clear()
            .envs([("PORT", "0"), ("RATE_LIMIT_STORE", "none"), ("DATABASE_URL", database_url)])
            // The load comes from this machine and says from which network.
            .env("TRUSTED_PROXIES", "127.0.0.1/32")
            // The line for each request is part of the example, not of the library's cost.
            .env("RUST_LOG", "warn")
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            return Err(fs::read_to_string(directory.path().join("log"))?.into());
        };
        Ok(Self { address: address.parse()?, child, _directory: directory })
    }

    /// Processor time of the whole life of the process.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        cpu_of(&self.child.id().to_string())
    }

    /// Memory in use now and, since [`Self::forget_peak`], at most, in KiB.
    pub(crate) fn memory_kib(&self) -> Result<(u64, u64), Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        field("VmRSS:").zip(field("VmHWM:")).ok_or_else(|| "no memory in /proc".into())
    }

    pub(crate) fn forget_peak(&self) -> Result<(), Failure> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Processor time of a process, or of `self`. The kernel counts in ticks of 10 ms here.
pub(crate) fn cpu_of(process: &str) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no stat in /proc")?;
    // utime and stime, the 14th and 15th of all.
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(Duration::from_millis(10 * ticks.iter().sum::<u64>()))
}

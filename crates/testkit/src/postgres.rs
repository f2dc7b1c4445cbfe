//! A real Postgres server on loopback, for the length of a test.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Signal, getuid};
use tempfile::TempDir;

use crate::ports::ReservedPort;
use crate::process::{Process, Program, needed};

/// What the server is told. Nothing has to outlive the machine, unless a test says so.
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_memory_type=mmap",
    "max_connections=40",
    "shared_buffers=32MB",
    "log_min_messages=warning",
];

/// A server on a free loopback port, in a folder of its own; killed and removed when dropped. The
/// user `postgres` may do everything without a password.
///
/// The port stays the same through every restart. While the server is down, connections are refused.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    port: ReservedPort,
    binaries: PathBuf,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts one that does not wait for disks.
    ///
    /// # Errors
    /// When no server is installed or it does not answer within half a minute; with its log.
    pub fn start() -> Result<Self> {
        Self::start_with(&["fsync=off", "full_page_writes=off"])
    }

    /// Starts one with these settings besides, each `name=value`.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let binaries = binaries()?;
        let folder = tempfile::tempdir()?;
        let port = ReservedPort::take()?;
        own(folder.path())?;
        initialize(&binaries, &folder.path().join("data"))?;
        let mut words = as_server(&binaries.join("postgres"))?;
        words.extend([
            "-D".into(),
            folder.path().join("data").display().to_string(),
        ]);
        words.extend(["-p".into(), port.number().to_string()]);
        for setting in SETTINGS.iter().chain(settings) {
            words.extend(["-c".into(), (*setting).to_owned()]);
        }
        let (program, arguments) = words.split_first().context("there is a program")?;
        let program = arguments
            .iter()
            .fold(Program::new(program, folder.path()), Program::argument);
        let process = Process::start(program, &folder.path().join("server.log"))?;
        let server = Self {
            process,
            port,
            binaries,
            folder,
        };
        server.until_ready()?;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The address of a database, `postgres` being there from the start.
    pub fn url(&self, database: &str) -> String {
        self.url_through(self.address(), database)
    }

    /// The same, by way of a proxy.
    pub fn url_through(&self, proxy: SocketAddr, database: &str) -> String {
        format!("postgres://postgres@{proxy}/{database}")
    }

    /// Makes a database and tells its address.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, name: &str) -> Result<String> {
        let sql = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
        self.sql("postgres", &sql)?;
        Ok(self.url(name))
    }

    /// Runs SQL in a database and tells what it prints: rows as lines, cells with bars between them.
    ///
    /// # Errors
    /// When the server refuses; the message is its own.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let output = Command::new(self.binaries.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-d", &self.url(database), "-c", sql])
            .output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Its process, for its log.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it at once, without regard to anybody who is connected; it recovers at the next start.
    ///
    /// # Errors
    /// When it is down already.
    pub fn stop(&self) -> Result<()> {
        // An immediate shutdown: killed outright, it would leave its children to themselves.
        self.process.signal(Signal::QUIT)?;
        self.process.wait().map(drop)
    }

    /// Starts it again with its data, on the same port.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub fn restart(&self) -> Result<()> {
        // Refused where it is down already.
        drop(self.stop());
        self.process.start_again()?;
        self.until_ready()
    }

    fn until_ready(&self) -> Result<()> {
        self.process
            .until_ready(|| self.sql("postgres", "SELECT 1").map(drop))
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Whoever drops it can do nothing about a failure.
        drop(self.stop());
        drop(fs::remove_dir_all(self.folder.path().join("data")));
    }
}

/// The folder with the server's programs, which distributions keep out of PATH: the latest version.
fn binaries() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").is_file());
    folders.sort();
    let in_path = || {
        needed(&["initdb"], "postgresql")
            .ok()?
            .parent()
            .map(Path::to_owned)
    };
    folders.pop().or_else(in_path).ok_or_else(|| {
        anyhow!("no Postgres here; install postgresql, as scripts/install-dependencies does")
    })
}

/// How a program of the server is run. It refuses to be root; root runs it as `postgres`.
fn as_server(program: &Path) -> Result<Vec<String>> {
    let program = program.display().to_string();
    if !getuid().is_root() {
        return Ok(vec![program]);
    }
    let setpriv = needed(&["setpriv"], "util-linux")?.display().to_string();
    let mut words = vec![setpriv];
    // Whoever changes its user is no longer killed with its parent: that is asked for once more.
    words.extend(["--reuid=postgres", "--regid=postgres", "--init-groups"].map(str::to_owned));
    words.extend(["--pdeathsig", "QUIT", "--"].map(str::to_owned));
    words.push(program);
    Ok(words)
}

/// Gives a folder to the user that the server runs as.
fn own(folder: &Path) -> Result<()> {
    if !getuid().is_root() {
        return Ok(());
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let mut lines = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let user = lines.find(|fields| fields.first() == Some(&"postgres"));
    let user = user.context("there is no user `postgres` to run the server as")?;
    let number = |index: usize| -> Result<u32> {
        let field = user.get(index).context("a line of /etc/passwd is short")?;
        Ok(field.parse()?)
    };
    Ok(chown(folder, Some(number(2)?), Some(number(3)?))?)
}

fn initialize(binaries: &Path, data: &Path) -> Result<()> {
    let words = as_server(&binaries.join("initdb"))?;
    let output = Command::new(&words[0])
        .args(&words[1..])
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
        .args(["--locale=C", "--no-sync", "-D"])
        .arg(data)
        .current_dir("/")
        .output()?;
    if !output.status.success() {
        bail!(
            "initdb failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

//! The real command in processes of its own: gateways that can be frozen, killed and started again.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::Caller;
use crate::ports::ReservedPort;
use crate::process::{Log, Process, Program};

/// How a gateway is to be started.
#[derive(Clone, Debug)]
pub struct GatewayCommand {
    binary: PathBuf,
    configuration: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    clock_offset_s: i64,
}

impl GatewayCommand {
    /// `paceline serve` in front of `upstream`. `binary` is `env!("CARGO_BIN_EXE_paceline")`, which
    /// only tests of the crate that has the command can say.
    pub fn new(binary: impl AsRef<Path>, upstream: SocketAddr) -> Self {
        let command = Self {
            binary: binary.as_ref().to_owned(),
            configuration: String::new(),
            arguments: Vec::new(),
            variables: Vec::new(),
            clock_offset_s: 0,
        };
        command
            .argument("--upstream")
            .argument(&format!("http://{upstream}/v1"))
            // The check at the start is a request of its own, which tests that count would see.
            .variable("PACELINE_UPSTREAM_CHECK", "false")
    }

    /// Its configuration file.
    #[must_use]
    pub fn configuration(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.configuration);
        self
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// An environment variable. Nothing else of this process's environment reaches it but PATH.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts its date off by so many seconds, ahead or (negative) behind. Needs libfaketime.
    #[must_use]
    pub fn clock_offset_s(mut self, seconds: i64) -> Self {
        self.clock_offset_s = seconds;
        self
    }

    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it does not within half a minute; with its log.
    pub fn start(&self) -> Result<GatewayProcess> {
        let gateway = self.launch()?;
        gateway.until_ready()?;
        Ok(gateway)
    }

    fn launch(&self) -> Result<GatewayProcess> {
        let folder = tempfile::tempdir()?;
        let port = ReservedPort::take()?;
        let file = folder.path().join("gateway.toml");
        fs::write(&file, &self.configuration)?;
        let mut program = Program::new(&self.binary, folder.path())
            .clock_offset_s(self.clock_offset_s)
            .variable("HOME", folder.path())
            .argument("serve")
            .argument("--config")
            .argument(&file)
            .argument("--listen")
            .argument(port.address().to_string());
        for argument in &self.arguments {
            program = program.argument(argument);
        }
        for (name, value) in &self.variables {
            program = program.variable(name, value);
        }
        Ok(GatewayProcess {
            process: Process::start(program, &folder.path().join("gateway.log"))?,
            port,
            folder,
        })
    }
}

/// A gateway that runs as a process of its own, on the same port through every start, until it is
/// dropped.
#[derive(Debug)]
pub struct GatewayProcess {
    process: Process,
    port: ReservedPort,
    folder: TempDir,
}

impl GatewayProcess {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// A caller of it.
    pub fn caller(&self) -> Caller {
        Caller::new(self.address())
    }

    /// Its process: its number, its processor time, any signal.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// What it has logged, through all its starts.
    pub fn log(&self) -> &Log {
        self.process.log()
    }

    /// The folder with its configuration and its state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it from running: connections are accepted and nothing is answered.
    ///
    /// # Errors
    /// When it is down.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets it run on.
    ///
    /// # Errors
    /// When it is down.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Ends it with SIGKILL. Nothing happens when it is down already.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Ends it in good order, with SIGTERM.
    ///
    /// # Errors
    /// When it is down already or does not end within half a minute.
    pub fn terminate(&self) -> Result<ExitStatus> {
        self.process.terminate()
    }

    /// Kills it if it runs and starts it again, with the state that it has left behind.
    ///
    /// # Errors
    /// As [`GatewayCommand::start`].
    pub fn restart(&self) -> Result<()> {
        self.process.start_again()?;
        self.until_ready()
    }

    /// Waits until it says that it serves.
    ///
    /// # Errors
    /// When it ends, or does not within half a minute; with its log.
    pub fn until_ready(&self) -> Result<()> {
        self.process.until_ready(|| self.healthy())
    }

    fn healthy(&self) -> Result<()> {
        let patience = Duration::from_secs(1);
        let mut stream = TcpStream::connect_timeout(&self.address(), patience)?;
        stream.set_read_timeout(Some(patience))?;
        let host = self.address();
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "it answers {answer}");
        Ok(())
    }
}

/// Several gateways.
#[derive(Debug)]
pub struct ProcessGroup {
    members: Vec<GatewayProcess>,
}

impl ProcessGroup {
    /// Starts one for each of `commands`, all at the same time, and waits until all serve.
    ///
    /// # Errors
    /// When one does not within half a minute; with its log.
    pub fn start(commands: &[GatewayCommand]) -> Result<Self> {
        let members: Result<Vec<_>> = commands.iter().map(GatewayCommand::launch).collect();
        let members = members?;
        for member in &members {
            member.until_ready()?;
        }
        Ok(Self { members })
    }

    /// The gateways, in the order of their commands.
    pub fn members(&self) -> &[GatewayProcess] {
        &self.members
    }

    /// The members whose logs have `words`, by their places.
    pub fn members_that_log(&self, words: &str) -> Vec<usize> {
        let members = self.members.iter().enumerate();
        let logging = members.filter(|(_, member)| member.log().contains(words));
        logging.map(|(place, _)| place).collect()
    }

    /// Kills all of them at once with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&self) -> Result<()> {
        self.members.iter().try_for_each(GatewayProcess::kill)
    }

    /// Starts all of them again, at the same time, killing those that run, and waits until all serve.
    ///
    /// # Errors
    /// As [`ProcessGroup::start`].
    pub fn restart(&self) -> Result<()> {
        for member in &self.members {
            member.process.start_again()?;
        }
        self.members
            .iter()
            .try_for_each(GatewayProcess::until_ready)
    }
}

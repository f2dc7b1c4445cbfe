//! Child processes that can be frozen, killed and started again, and never outlive the test.

mod log;
mod program;
mod spawner;

use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

pub use log::Log;
pub use program::Program;
pub(crate) use program::needed;

/// The longest that a start or an orderly end is waited for. Generous: a busy machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often something is looked at again that cannot be waited for.
pub(crate) const GLANCE: Duration = Duration::from_millis(5);

/// A running program and the file that its output goes to.
///
/// It is killed when this is dropped, also while a test panics, and by the system when the whole
/// test process dies, however that happens.
#[derive(Debug)]
pub struct Process {
    program: Program,
    log: Log,
    child: Mutex<Child>,
}

impl Process {
    /// Starts a program; what it prints is appended to the file `log`.
    ///
    /// # Errors
    /// When it cannot be started. That it runs does not say that it is ready.
    pub fn start(program: Program, log: &Path) -> Result<Self> {
        let log = Log::new(log);
        let child = Mutex::new(program.spawn(&log)?);
        Ok(Self {
            program,
            log,
            child,
        })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.lock().id()
    }

    /// What it has printed.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How it ended; nothing while it runs, frozen or not.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child.lock().try_wait()?)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // The lock is held meanwhile: nobody can collect the child and free its number.
        let mut child = self.child.lock();
        if let Some(status) = child.try_wait()? {
            bail!("{} has ended: {status}", self.program.name());
        }
        Ok(kill_process(pid(&child)?, signal)?)
    }

    /// Stops it from running without ending it, as a machine that hangs does. Its sockets stay
    /// open: the system accepts connections for it that nobody answers. Returns once it stands still.
    ///
    /// # Errors
    /// When it has ended.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let pid = pid(&self.child.lock())?;
        let standstill = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = loop {
            match waitid(WaitId::Pid(pid), standstill) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        match status {
            Some(status) if status.stopped() => Ok(()),
            _ => bail!("{} ended while it was frozen", self.program.name()),
        }
    }

    /// Lets it run on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it with SIGKILL, frozen or not, and waits until it is gone. Nothing happens when it has
    /// ended already.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.child.lock();
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to end with SIGTERM, thawing it if need be, and waits for that.
    ///
    /// # Errors
    /// When it has ended already or does not within half a minute.
    pub fn terminate(&self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        // A signal to a frozen process waits until it runs. It may end before this one reaches it.
        drop(self.thaw());
        self.wait()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub fn wait(&self) -> Result<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{} does not end; {}", self.program.name(), self.log.told());
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Kills it if it runs and starts the same program again, with the same log.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_again(&self) -> Result<()> {
        self.kill()?;
        *self.child.lock() = self.program.spawn(&self.log)?;
        Ok(())
    }

    /// The processor time that it has used since it was started, in steps of a hundredth of a
    /// second.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let ticks = cpu_ticks(&stat).ok_or_else(|| anyhow!("cannot be understood: {stat}"))?;
        Ok(Duration::from_millis(
            ticks * 1000 / clock_ticks_per_second(),
        ))
    }

    /// Waits until `probe` succeeds.
    ///
    /// # Errors
    /// When the process ends before, or nothing is ready within half a minute; with the log.
    pub fn until_ready(&self, mut probe: impl FnMut() -> Result<()>) -> Result<()> {
        let name = self.program.name();
        let end = Instant::now() + PATIENCE;
        loop {
            let Err(error) = probe() else {
                return Ok(());
            };
            if let Some(status) = self.ended()? {
                bail!("{name} did not start, {status}; {}", self.log.told());
            }
            if Instant::now() > end {
                bail!("{name} is not ready: {error:#}; {}", self.log.told());
            }
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever drops it can do nothing about a failure.
        drop(self.kill());
    }
}

fn pid(child: &Child) -> Result<Pid> {
    let number = i32::try_from(child.id())?;
    Pid::from_raw(number).context("a process has a number")
}

/// Fields 14 and 15 of `/proc/PID/stat`, user and system time; the name before them is in brackets
/// and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 0 1 2 3 4 500 25 6 7 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(525));
        assert_eq!(cpu_ticks("7 (a"), None);
    }
}

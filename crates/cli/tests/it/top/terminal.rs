//! A pseudo-terminal: a command that runs on it, and the screen that it draws.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(30);

const TAKE_SCREEN: &str = "\x1b[?1049h";
const GIVE_SCREEN_BACK: &str = "\x1b[?1049l";

/// A command on a terminal of its own. Killed when dropped.
pub(crate) struct PseudoTerminal {
    child: Child,
    ours: File,
    /// Keeps the terminal when the command has ended, for a look at its modes.
    theirs: OwnedFd,
    output: Receiver<Vec<u8>>,
    /// All that was written.
    written: Vec<u8>,
    screen: Screen,
}

impl PseudoTerminal {
    pub(crate) fn start(command: &mut Command, size: (u16, u16)) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let theirs = rustix::fs::open(&name, flags, Mode::empty()).unwrap();
        set_size(&theirs, size);
        let end = || theirs.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn();
        let child = child.unwrap();
        let ours = File::from(ours);
        let mut reader = ours.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            ours,
            theirs,
            output,
            written: Vec::new(),
            screen: Screen::new(size),
        }
    }

    /// Waits until the screen shows these words in one row.
    pub(crate) fn until(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.screen.rows().any(|row| row.contains(words)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no {words:?} on the screen:\n{}", self.screen.text())
                }
            }
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Another size, as when a person pulls at the window.
    pub(crate) fn resize(&mut self, size: (u16, u16)) {
        set_size(&self.theirs, size);
        self.screen = Screen::new(size);
        // The terminal tells only those whose controlling terminal it is.
        self.signal(Signal::WINCH);
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.take_what_came();
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "{}", self.screen.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How much was written so far.
    pub(crate) fn bytes(&mut self) -> usize {
        self.take_what_came();
        self.written.len()
    }

    /// The sequences that set a colour.
    pub(crate) fn colours(&mut self) -> Vec<String> {
        self.take_what_came();
        let text = String::from_utf8_lossy(&self.written).into_owned();
        let sequences = text.split("\x1b[").skip(1);
        let styles = sequences.filter_map(|sequence| sequence.split_once('m'));
        let styles = styles.map(|(style, _)| style).filter(|style| {
            let is_style = style.chars().all(|c| c.is_ascii_digit() || c == ';');
            let mut codes = style.split(';');
            is_style
                && codes.any(|code| {
                    matches!(code.len(), 2 | 3)
                        && "349".contains(&code[..1])
                        && !matches!(code, "39" | "49")
                })
        });
        styles.map(str::to_owned).collect()
    }

    pub(crate) fn has_taken_the_screen(&self) -> bool {
        String::from_utf8_lossy(&self.written).contains(TAKE_SCREEN)
    }

    /// Makes sure that the terminal is as it was before.
    pub(crate) fn is_given_back(&mut self) {
        self.take_what_came();
        let text = String::from_utf8_lossy(&self.written).into_owned();
        let taken = text.rfind(TAKE_SCREEN).expect("the screen was taken");
        let given = text
            .rfind(GIVE_SCREEN_BACK)
            .expect("the screen is given back");
        assert!(given > taken);
        let shown = text.rfind("\x1b[?25h").expect("the cursor is shown");
        assert!(shown > text.rfind("\x1b[?25l").unwrap_or(0));
        let modes = tcgetattr(&self.theirs).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
    }

    fn take_what_came(&mut self) {
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
            self.take(&bytes);
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.written.extend(bytes);
        self.screen.take(bytes);
    }
}

impl Drop for PseudoTerminal {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &OwnedFd, (columns, rows): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

/// What a terminal makes of the few sequences that are written to it.
struct Screen {
    columns: usize,
    cells: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// A sequence or character whose end is to come.
    rest: Vec<u8>,
}

impl Screen {
    fn new((columns, rows): (u16, u16)) -> Self {
        let columns = usize::from(columns);
        Self {
            columns,
            cells: vec![vec![' '; columns]; usize::from(rows)],
            row: 0,
            column: 0,
            rest: Vec::new(),
        }
    }

    fn rows(&self) -> impl Iterator<Item = String> {
        self.cells.iter().map(|row| row.iter().collect())
    }

    fn text(&self) -> String {
        self.rows().collect::<Vec<_>>().join("\n")
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend(bytes);
        let whole = match std::str::from_utf8(&all) {
            Ok(_) => all.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8_lossy(&all[..whole]).into_owned();
        let mut left = text.as_str();
        while let Some(c) = left.chars().next() {
            let Some(taken) = self.step(c, left) else {
                break;
            };
            left = &left[taken..];
        }
        self.rest = [left.as_bytes(), &all[whole..]].concat();
    }

    /// Takes one character or sequence; `None` while its end is to come.
    fn step(&mut self, c: char, text: &str) -> Option<usize> {
        match c {
            '\x1b' => {
                let end = text.get(2..)?.find(|c: char| c.is_ascii_alphabetic())? + 2;
                self.sequence(&text[2..end], &text[end..=end]);
                return Some(end + 1);
            }
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            c => {
                // A terminal goes on in the next row.
                if self.column >= self.columns {
                    (self.row, self.column) = (self.row + 1, 0);
                }
                let cell = self.cells.get_mut(self.row);
                if let Some(cell) = cell.and_then(|row| row.get_mut(self.column)) {
                    *cell = c;
                }
                self.column += 1;
            }
        }
        Some(c.len_utf8())
    }

    fn sequence(&mut self, parameters: &str, command: &str) {
        let mut numbers = parameters
            .split(';')
            .map(|number| number.parse().unwrap_or(1));
        match command {
            "H" => {
                self.row = numbers.next().unwrap_or(1) - 1;
                self.column = numbers.next().unwrap_or(1) - 1;
            }
            "J" => self.cells.iter_mut().for_each(|row| row.fill(' ')),
            _ => {}
        }
    }
}

//! Keys that retune a run, where a person watches it.

use std::io::{self, IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Pause, or go on.
    Pause,
    /// More requests at once.
    More,
    /// Fewer requests at once.
    Fewer,
    /// Finish what runs and end; at once, the second time.
    Quit,
}

impl Key {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'p' | b'P' | b' ' => Some(Self::Pause),
            b'+' | b'=' => Some(Self::More),
            b'-' => Some(Self::Fewer),
            b'q' | b'Q' => Some(Self::Quit),
            _ => None,
        }
    }
}

/// Reads single keys for as long as it lives; the terminal is as before afterwards.
#[derive(Debug)]
pub(super) struct Keyboard {
    keys: Option<mpsc::UnboundedReceiver<Key>>,
    before: Option<Termios>,
}

impl Keyboard {
    /// A keyboard, where there is one and it is `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        let none = Self {
            keys: None,
            before: None,
        };
        let stdin = io::stdin();
        if !wanted || !stdin.is_terminal() {
            return none;
        }
        let Ok(before) = tcgetattr(&stdin) else {
            return none;
        };
        let mut single = before.clone();
        // Signals stay: Ctrl-C is what it was.
        single.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        if tcsetattr(&stdin, OptionalActions::Now, &single).is_err() {
            return none;
        }
        let (sender, keys) = mpsc::unbounded_channel();
        // It waits for a key when the run ends, and ends with the process.
        std::thread::spawn(move || {
            for byte in io::stdin().lock().bytes() {
                let Ok(byte) = byte else { return };
                if Key::of(byte).is_some_and(|key| sender.send(key).is_err()) {
                    return;
                }
            }
        });
        Self {
            keys: Some(keys),
            before: Some(before),
        }
    }

    /// The next key that means something; never, where there is no keyboard.
    pub(super) async fn next(&mut self) -> Key {
        if let Some(keys) = &mut self.keys
            && let Some(key) = keys.recv().await
        {
            return key;
        }
        std::future::pending().await
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing is left to do where the terminal is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

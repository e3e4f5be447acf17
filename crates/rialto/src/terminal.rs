//! Colour and progress, where a person watches: neither appears in a file or a pipe.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

/// Whether output is coloured.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    is_coloured: bool,
}

impl Style {
    /// Coloured on a terminal, unless `NO_COLOR` is set.
    pub fn of_stdout() -> Self {
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_coloured: stdout().is_terminal() && !is_refused }
    }

    /// Text that tells of a failure.
    pub fn failure(self, text: &str) -> String {
        self.paint("31;1", text)
    }

    /// Text that tells of a success.
    pub fn success(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}

/// Shortest time between two updates of the progress line.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// A line on standard error that says how far a run is.
#[derive(Debug)]
pub struct Progress {
    unit: &'static str,
    is_shown: bool,
    is_on_screen: bool,
    last_update: Option<Instant>,
}

impl Progress {
    /// A line that counts `unit`s; nothing where standard error is no terminal.
    pub fn new(unit: &'static str) -> Self {
        Self { unit, is_shown: stderr().is_terminal(), is_on_screen: false, last_update: None }
    }

    /// No line.
    pub fn none() -> Self {
        Self { unit: "", is_shown: false, is_on_screen: false, last_update: None }
    }

    /// Shows a count and a note, at most ten times a second.
    pub fn show(&mut self, count: u64, note: &str) {
        if !self.is_shown || self.last_update.is_some_and(|last| last.elapsed() < UPDATE_INTERVAL) {
            return;
        }
        self.last_update = Some(Instant::now());
        self.is_on_screen = true;
        let mut line = stderr().lock();
        // A terminal that went away is no reason to stop.
        let _ = write!(line, "\r\x1b[K{count} {}, {note}", self.unit);
        let _ = line.flush();
    }

    /// Takes the line off the screen, for other output.
    pub fn clear(&mut self) {
        if self.is_on_screen {
            self.is_on_screen = false;
            let mut line = stderr().lock();
            let _ = write!(line, "\r\x1b[K");
            let _ = line.flush();
        }
    }
}

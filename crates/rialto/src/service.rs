//! A command that runs until it is told to stop.
//!
//! SIGINT and SIGTERM stop it: servers answer what they have begun, then the database is closed and the exit code is 0. A
//! deadline runs from the signal on. When it is over the process ends as it is, with exit code 0 too: what a client was told is
//! on the disk by then, and what was not is as if the process had been killed, which the database is made for. A second
//! signal ends it at once.

use crate::CliError;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Threads for work that blocks: calls, traces, reading. Further work waits.
const BLOCKING_THREADS_MAX: usize = 64;

/// The runtime of the servers.
pub fn runtime() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("server")
        .build()
        .map_err(|error| CliError::Service { what: "runtime", reason: error.to_string() })
}

/// Signals that tell the process to stop.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Begins to catch the signals, which from now on don't end the process. Has to be called in a runtime.
    pub fn catch() -> Result<Self, CliError> {
        let catch = |kind| signal(kind).map_err(|error| signals_error(&error));
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    /// Waits for one of them.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Ends the process after `deadline`, or at the next signal, whatever still runs then.
    pub fn enforce(mut self, deadline: Duration) {
        // A thread of its own, since what is late may be what keeps the runtime's threads busy.
        let spawned = std::thread::Builder::new().name("deadline".to_string()).spawn(move || {
            std::thread::sleep(deadline);
            eprintln!("warning: stopped after {} s with work under way", deadline.as_secs_f64());
            std::process::exit(0);
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for the deadline of stopping");
        }
        tokio::spawn(async move {
            self.wait().await;
            std::process::exit(0);
        });
    }
}

fn signals_error(error: &std::io::Error) -> CliError {
    let reason = match error.kind() {
        ErrorKind::Unsupported => "this system has none".to_string(),
        _ => error.to_string(),
    };
    CliError::Service { what: "signals", reason }
}

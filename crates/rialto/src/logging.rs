//! The log: events on standard error, as text or as an object a line.
//!
//! Standard output is for what scripts read. The filter is a level, or levels by module; the one of the command line goes before
//! `RUST_LOG`, which goes before the command's own default.

use crate::CliError;
use crate::node_args::{LogFormat, OperationsArgs};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Starts logging for the rest of the process.
pub fn start(args: &OperationsArgs, default_filter: &str) -> Result<(), CliError> {
    let from_environment = std::env::var("RUST_LOG").ok();
    let text = args.log_filter.as_deref().or(from_environment.as_deref()).unwrap_or(default_filter);
    let filter = EnvFilter::try_new(text)
        .map_err(|error| CliError::argument("--log.filter", text, format!("a level, or levels by module ({error})")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let result = match args.log_format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second start in one process (a test's) leaves the first in force.
    drop(result);
    Ok(())
}

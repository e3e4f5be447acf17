//! Settings of a node: a flag, an environment variable or a line of a file.
//!
//! The arguments of a command are the one list of what can be set. Each has a long flag such as `--http.port`, an environment
//! variable that follows from it (`RIALTO_HTTP_PORT`), and a key in the file that `--config` names (`port` in the table
//! `[http]`). What the file says becomes the default of the argument, so a flag goes before the environment, the environment
//! before the file, the file before the default, and all of them are read by the same code with the same complaints.
//!
//! TOML can't have both a value `http` and a table `http`, so the flag `--http` is the key `enabled` of the table.

use crate::CliError;
use clap::{Arg, ArgAction, Command};
use std::path::Path;
use toml::{Table, Value};

/// Most bytes of a file of settings.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;
/// Most tables within tables.
const DEPTH_MAX: usize = 8;
/// Arguments that are about one run.
const NOT_SETTINGS: [&str; 3] = ["config", "help", "json"];
/// The key that a flag has which is also the name of a table.
const ENABLED: &str = "enabled";

/// The subcommand `name` of `command` with the settings of a file as its defaults.
pub fn with_file(command: Command, name: &str, path: &Path) -> Result<Command, CliError> {
    let length = std::fs::metadata(path).map_err(|error| CliError::file(path, error))?.len();
    if length > SETTINGS_BYTES_MAX {
        return Err(CliError::file(path, format!("expected at most {SETTINGS_BYTES_MAX} bytes, found {length}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| CliError::file(path, error.to_string().trim()))?;
    let mut settings = Vec::new();
    flatten(&table, "", 0, &mut settings)
        .map_err(|(key, expected)| field_error(path, &key, expected, "another value"))?;
    let Some(subcommand) = command.find_subcommand(name) else { return Ok(command) };
    let mut defaults = Vec::new();
    for (key, value) in settings {
        let Some(argument) = find(subcommand, &key) else {
            let expected = format!("a setting of `rialto {name}`{}", suggestion(subcommand, &key));
            return Err(field_error(path, &key, expected, "an unknown key"));
        };
        defaults.push((argument.get_id().clone(), value));
    }
    Ok(command.mut_subcommand(name, |mut subcommand| {
        for (id, value) in defaults {
            subcommand = subcommand.mut_arg(id, |argument| argument.default_value(value));
        }
        subcommand
    }))
}

/// The environment variable of a flag.
pub fn variable_of(flag: &str) -> String {
    let name = flag.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("RIALTO_{}", name.collect::<String>())
}

/// The arguments of a command that are settings: flags with values.
pub fn settings_of(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_setting = |argument: &&Arg| {
        argument.get_long().is_some_and(|long| !NOT_SETTINGS.contains(&long))
            && matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
    };
    command.get_arguments().filter(is_setting)
}

fn find<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    let long = match key.rsplit_once('.') {
        Some((table, ENABLED)) => table,
        _ => key,
    };
    settings_of(command).find(|argument| argument.get_long() == Some(long))
}

/// The settings whose names are like `key`.
fn suggestion(command: &Command, key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let names: Vec<&str> = settings_of(command)
        .filter_map(|argument| argument.get_long())
        .filter(|long| distance(long, key) <= 2 || long.rsplit('.').next() == Some(last))
        .collect();
    if names.is_empty() { String::new() } else { format!(" (such as {})", names.join(", ")) }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Keys with dots, and values as an argument would have them. An error is the key and what was expected.
fn flatten(
    table: &Table,
    prefix: &str,
    depth: usize,
    settings: &mut Vec<(String, String)>,
) -> Result<(), (String, &'static str)> {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(_) if depth == DEPTH_MAX => return Err((key, "fewer tables within tables")),
            Value::Table(inner) => flatten(inner, &key, depth + 1, settings)?,
            Value::Array(items) => {
                let text = items.iter().map(scalar).collect::<Option<Vec<_>>>();
                let text = text.ok_or_else(|| (key.clone(), "strings and numbers in the list"))?;
                settings.push((key, text.join(",")));
            }
            value => match scalar(value) {
                Some(text) => settings.push((key, text)),
                None => return Err((key, "a string, a number, true or false")),
            },
        }
    }
    Ok(())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

fn field_error(path: &Path, key: &str, expected: impl ToString, found: &str) -> CliError {
    CliError::Field {
        file: path.display().to_string(),
        field: key.to_string(),
        found: found.to_string(),
        expected: expected.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let rows =
            [("", "", 0), ("http.port", "http.port", 0), ("http.port", "http.prot", 2), ("a", "", 1), ("", "ab", 2)];
        for (a, b, expected) in rows {
            assert_eq!(distance(a, b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn variables_follow_from_flags() {
        let rows = [("http.port", "RIALTO_HTTP_PORT"), ("rpc.max-request-size", "RIALTO_RPC_MAX_REQUEST_SIZE")];
        for (flag, expected) in rows {
            assert_eq!(variable_of(flag), expected);
        }
    }
}

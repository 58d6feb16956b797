//! Commands, from dicts.

use mad_core::Command;
use mad_core::series::Glob;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::value_error;
use crate::moment::Moment;

/// A command from a dict such as `{"command": "resolve", "id": ..., "at": ...}`.
pub fn parse_command(command: &Bound<'_, PyDict>) -> PyResult<Command> {
    let field = |name: &str| {
        let value = command.get_item(name)?;
        value.ok_or_else(|| value_error(format!("the command has no {name:?}")))
    };
    let text = |name: &str| field(name)?.extract::<String>();
    let time = |name: &str| Ok::<_, PyErr>(field(name)?.extract::<Moment>()?.0);
    let glob = |name: &str| -> PyResult<Glob> {
        let pattern: Option<String> = match command.get_item(name)? {
            Some(value) => value.extract()?,
            None => None,
        };
        Ok(pattern.map_or_else(Glob::default, |pattern| Glob::new(&pattern)))
    };
    let endpoint = || {
        let name = if command.contains("resource")? { "resource" } else { "endpoint" };
        glob(name)
    };
    let (name, at) = (text("command")?, time("at")?);
    let known: &[&str] = match name.as_str() {
        "acknowledge" | "resolve" => &["command", "at", "id"],
        "mute" => &["command", "at", "service", "endpoint", "resource", "until", "reason"],
        "unmute" => &["command", "at", "service", "endpoint", "resource"],
        "accept_level" => &["command", "at", "service", "endpoint", "resource", "signal"],
        _ => {
            return Err(value_error(format!(
                "command = {name:?}; give \"acknowledge\", \"resolve\", \"mute\", \"unmute\" \
                 or \"accept_level\""
            )));
        }
    };
    for key in command.keys() {
        let key: String = key.extract()?;
        if !known.contains(&key.as_str()) {
            let known = known.join(", ");
            return Err(value_error(format!("the command {name} has no {key:?}; it has {known}")));
        }
    }
    Ok(match name.as_str() {
        "acknowledge" => Command::Acknowledge { id: text("id")?, at },
        "resolve" => Command::Resolve { id: text("id")?, at },
        "mute" => Command::Mute {
            service: glob("service")?,
            endpoint: endpoint()?,
            at,
            until: time("until")?,
            reason: if command.contains("reason")? { text("reason")? } else { String::new() },
        },
        "accept_level" => Command::AcceptLevel {
            service: glob("service")?,
            endpoint: endpoint()?,
            signal: glob("signal")?,
            at,
        },
        _ => Command::Unmute { service: glob("service")?, endpoint: endpoint()?, at },
    })
}

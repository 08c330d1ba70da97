//! What is said of a command line that is refused: one line that names the variable and shows how it is given.
//!
//! clap's own words are not for this: they speak of flags alone, span several lines and repeat every value, be it a
//! secret or not.

use std::{env, error::Error};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// What is said of what clap refuses.
pub(super) fn one_line(error: &clap::Error, command: &Command) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if error.kind() == ErrorKind::InvalidUtf8 {
        return not_utf8(command);
    }
    let Some(shown) = text(ContextKind::InvalidArg) else {
        return single_line(&error.to_string());
    };
    let Some(flag) = setting(command, shown) else {
        let flag = shown.split('=').next().unwrap_or_default();
        return format!("{flag}: there is no such flag; --help lists them all");
    };
    let name = name(flag);
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::ArgumentConflict => format!("{name}: is given more than once"),
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{name}: has no value; for example {}", example(flag, ""))
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let expected = match (error.source(), error.get(ContextKind::ValidValue)) {
                (Some(source), _) => source.to_string(),
                (None, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
                    format!("is not one of {}", valid.join(", "))
                }
                _ => "is not accepted".to_owned(),
            };
            let expected = single_line(&expected);
            // What is hidden from --help may hold a secret.
            if flag.is_hide_env_values_set() && !value.is_empty() {
                format!("{name}: the value {expected}")
            } else {
                format!("{name}: {value:?} {expected}")
            }
        }
        _ => format!("{name}: {}", single_line(&error.to_string())),
    }
}

/// clap does not say which value it is.
fn not_utf8(command: &Command) -> String {
    let is_bad = |name| env::var_os(name).is_some_and(|value| value.to_str().is_none());
    let bad = command
        .get_arguments()
        .find(|flag| flag.get_env().is_some_and(is_bad));
    match bad {
        Some(flag) => format!(
            "{}: the value is not UTF-8; for example {}",
            name(flag),
            example(flag, "")
        ),
        None => "a word of the command line is not UTF-8".into(),
    }
}

/// What is said of a word that is neither flag nor value, where `last` is the flag before it.
pub(super) fn stray(command: &Command, last: Option<&Arg>) -> String {
    match last {
        Some(flag) => format!(
            "{}: more than one word follows its flag: put quotes around a value with spaces, for example {}",
            name(flag),
            example(flag, "'"),
        ),
        None => {
            let example = command.get_arguments().next().map(|flag| example(flag, ""));
            format!(
                "the first word is no flag: settings are flags and variables, for example {}",
                example.unwrap_or_default(),
            )
        }
    }
}

/// The setting behind a flag, given as `--flag`, `--flag=value` or, as clap shows it, `--flag <VALUE>`.
pub(super) fn setting<'a>(command: &'a Command, shown: &str) -> Option<&'a Arg> {
    let long = shown.strip_prefix("--")?.split([' ', '=']).next()?;
    command
        .get_arguments()
        .find(|flag| flag.get_long() == Some(long))
}

/// The variable behind a flag, or the flag where there is none.
fn name(flag: &Arg) -> String {
    match flag.get_env() {
        Some(variable) => variable.to_string_lossy().into(),
        None => format!("--{}", flag.get_long().unwrap_or_default()),
    }
}

/// How a setting is given: its flag with its default.
fn example(flag: &Arg, quote: &str) -> String {
    let value = flag.get_default_values().first();
    let value = value.map_or("VALUE".into(), |value| value.to_string_lossy());
    let flag = flag.get_long().unwrap_or_default();
    format!("--{flag} {quote}{value}{quote}")
}

/// The first line of a report, without clap's `error: ` before it.
fn single_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

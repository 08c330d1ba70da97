//! Runs a clap parser so that a bad value ends the program with one line that names the variable.
//!
//! clap's own report spans several lines and speaks of flags; whoever runs a container has set a
//! variable and reads one line of a log.

use std::{ffi::OsString, fmt, process};

use clap::{
    Command, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Why no settings came out of the command line and the environment.
#[derive(Debug)]
pub enum ParseError {
    /// `--help` or `--version` was asked for; this is the text to print on standard output.
    Shown(String),
    /// A bad value or an unknown flag: one line that names the variable, the value and what is expected.
    Invalid(String),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(text) | Self::Invalid(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads the settings of this process from its flags and its environment; flags win.
///
/// Ends the process on anything else: with code 0 after `--help` and `--version`, with code 2 and one
/// line on standard error where a value is bad, or where `check` finds that values contradict each other.
pub fn parse_or_exit<C: Parser>(check: impl FnOnce(&C) -> Result<(), String>) -> C {
    let parsed = parse_from::<C>(std::env::args_os()).and_then(|settings| match check(&settings) {
        Ok(()) => Ok(settings),
        Err(line) => Err(ParseError::Invalid(line)),
    });
    match parsed {
        Ok(settings) => settings,
        Err(error) => exit(&error),
    }
}

/// Reads settings from these arguments, the program's name first, and from the environment.
pub fn parse_from<C: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<C, ParseError> {
    C::try_parse_from(args).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ParseError::Shown(error.render().to_string())
        }
        _ => ParseError::Invalid(one_line(&error, &C::command())),
    })
}

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "logging is not set up before the settings are known"
)]
fn exit(error: &ParseError) -> ! {
    match error {
        ParseError::Shown(text) => {
            print!("{text}");
            process::exit(0)
        }
        ParseError::Invalid(line) => {
            eprintln!("{line}");
            process::exit(2)
        }
    }
}

fn one_line(error: &clap::Error, command: &Command) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let Some(flag) = text(ContextKind::InvalidArg) else {
        return single_line(&error.to_string());
    };
    let name = variable(command, flag);
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::ArgumentConflict => format!("{name}: is given more than once"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{name}: has no value"),
        ErrorKind::UnknownArgument => {
            format!("{flag}: there is no such flag; --help lists them all")
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let expected = match (
                std::error::Error::source(error),
                error.get(ContextKind::ValidValue),
            ) {
                (Some(source), _) => source.to_string(),
                (None, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
                    format!("is not one of {}", valid.join(", "))
                }
                _ => "is not accepted".to_owned(),
            };
            format!("{name}: {value:?} {}", single_line(&expected))
        }
        _ => format!("{name}: {}", single_line(&error.to_string())),
    }
}

/// The variable behind a flag that clap shows as `--flag <VALUE>`, or the flag where there is none.
fn variable(command: &Command, shown: &str) -> String {
    let flag = shown.split([' ', '=']).next().unwrap_or(shown);
    command
        .get_arguments()
        .find(|argument| {
            argument
                .get_long()
                .is_some_and(|long| flag.strip_prefix("--") == Some(long))
        })
        .and_then(|argument| argument.get_env())
        .map_or_else(
            || flag.to_owned(),
            |variable| variable.to_string_lossy().into_owned(),
        )
}

/// The first line of a report, without clap's `error: ` before it.
fn single_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

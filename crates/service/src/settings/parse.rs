//! Runs a clap parser so that a bad value ends the program with one line that names the variable.
//!
//! clap's own report spans several lines and speaks of flags; whoever runs a container has set a
//! variable and reads one line of a log.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    net::SocketAddr,
    process,
};

use clap::{Arg, Command, Parser, error::ErrorKind};

use super::{
    health, print,
    refusal::{one_line, setting, stray},
};

/// Why no settings came out of the command line and the environment.
#[derive(Debug)]
pub enum ParseError {
    /// `--help`, `--version` or `--print-config` was asked for; this is the text to print on standard output.
    Shown(String),
    /// `--health` was asked for: who is to be asked.
    Health(SocketAddr),
    /// A bad value or an unknown flag: one line that names the variable, the value and what is expected.
    Invalid(String),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(text) | Self::Invalid(text) => f.write_str(text),
            Self::Health(address) => write!(f, "whether {address} is ready"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads the settings of this process from its flags and its environment; flags win.
///
/// Ends the process on anything else: with code 0 after `--help`, `--version` and `--print-config`, with code 2 and
/// one line on standard error where a value is bad, or where `check` finds that values contradict each other; after
/// `--health` with code 0 if the process that runs with these settings is ready, and 1 with one line if it is not.
pub fn parse_or_exit<C: Parser>(check: impl FnOnce(&C) -> Result<(), String>) -> C {
    match parse_from(std::env::args_os(), check) {
        Ok(settings) => settings,
        Err(error) => exit(&error),
    }
}

/// Reads settings from these arguments, the program's name first, and from the environment, and has them looked at
/// by `check`.
pub fn parse_from<C: Parser>(
    args: impl IntoIterator<Item = OsString>,
    check: impl FnOnce(&C) -> Result<(), String>,
) -> Result<C, ParseError> {
    let mut command = health::with_flag(print::with_flag(C::command()));
    let args = joined(args, &command)?;
    let refused = |error: clap::Error, command: &Command| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ParseError::Shown(error.render().to_string())
        }
        _ => ParseError::Invalid(one_line(&error, command)),
    };
    let matches = command
        .try_get_matches_from_mut(args)
        .map_err(|error| refused(error, &command))?;
    let settings = C::from_arg_matches(&matches).map_err(|error| refused(error, &command))?;
    check(&settings).map_err(ParseError::Invalid)?;
    if let Some(lines) = print::lines(&command, &matches) {
        return Err(ParseError::Shown(lines));
    }
    health::target(&matches).map_or(Ok(settings), |address| Err(ParseError::Health(address)))
}

/// The command line with each flag and its value in one word, since clap takes a value that begins with a dash,
/// such as `-1s`, for a flag that it does not know. A word that is neither flag nor value is refused; it is not
/// repeated, because it may be the rest of a secret that was not quoted.
fn joined(
    args: impl IntoIterator<Item = OsString>,
    command: &Command,
) -> Result<Vec<OsString>, ParseError> {
    let mut words = args.into_iter().peekable();
    let mut joined: Vec<OsString> = words.next().into_iter().collect();
    let mut last: Option<&Arg> = None;
    while let Some(mut word) = words.next() {
        let flag = setting(command, &word.to_string_lossy());
        if !begins_with(&word, "-") || word == "--" {
            return Err(ParseError::Invalid(stray(command, last)));
        }
        if flag.is_some_and(|flag| flag.get_action().takes_values())
            && !word.as_encoded_bytes().contains(&b'=')
            && let Some(value) = words.next_if(|next| !is_flag(next))
        {
            word.push("=");
            word.push(value);
        }
        joined.push(word);
        if flag.is_none() {
            // Whether the next word is its value nobody knows; clap refuses the flag.
            joined.extend(words.by_ref());
        }
        last = flag;
    }
    Ok(joined)
}

/// Whether a word cannot be the value of the flag before it: there are two flags of one letter, and no more.
fn is_flag(word: &OsStr) -> bool {
    begins_with(word, "--") || word == "-h" || word == "-V"
}

fn begins_with(word: &OsStr, prefix: &str) -> bool {
    word.as_encoded_bytes().starts_with(prefix.as_bytes())
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
        ParseError::Health(address) => match health::ask(*address) {
            Ok(()) => process::exit(0),
            Err(line) => {
                eprintln!("{line}");
                process::exit(1)
            }
        },
    }
}

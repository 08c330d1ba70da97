//! `--print-config`: the settings in effect, as variables, with secrets left out.

use std::fmt::Write;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

const FLAG: &str = "print-config";

/// What is shown of a value that is a secret, or of the part of a URL that may hold one.
const REDACTED: &str = "[redacted]";

/// The schemes of the URLs that are settings. A secret may look like a URL of any other.
const SCHEMES: [&str; 11] = [
    "http",
    "https",
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+unix",
    "unix",
    "valkey",
    "valkeys",
    "valkey+unix",
];

/// The program with the flag beside its settings.
pub(super) fn with_flag(command: Command) -> Command {
    command.arg(
        Arg::new(FLAG)
            .long(FLAG)
            .action(ArgAction::SetTrue)
            .help("Prints the settings in effect, secrets left out, and ends"),
    )
}

/// The lines to print if they were asked for: `NAME=value` for each setting, `# NAME is unset` where it has none.
pub(super) fn lines(command: &Command, matches: &ArgMatches) -> Option<String> {
    if !matches.get_flag(FLAG) {
        return None;
    }
    let mut lines = String::new();
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env().map(|name| name.to_string_lossy()) else {
            continue;
        };
        // A string takes every line.
        let _ = match value(arg, matches) {
            Some(value) => writeln!(lines, "{name}={value}"),
            None => writeln!(lines, "# {name} is unset"),
        };
    }
    Some(lines)
}

fn value(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let raw = matches.get_raw(arg.get_id().as_str())?.next()?;
    let value = raw.to_string_lossy();
    if value.is_empty() {
        // Where it is accepted it is as good as none.
        return None;
    }
    Some(if !arg.is_hide_env_values_set() {
        one_line(&value)
    } else if arg.get_value_hint() == ValueHint::Url {
        one_line(&without_secrets(&value))
    } else {
        REDACTED.to_owned()
    })
}

/// As it is, unless it would be more than one word, or forge a line.
fn one_line(value: &str) -> String {
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    match !value.is_empty() && value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("{value:?}"),
    }
}

/// A URL without user, password, query and fragment, so that one still sees where it leads. What does not look
/// like one of ours is not shown at all: it may be a secret in the wrong place.
fn without_secrets(url: &str) -> String {
    let ours = |scheme: &str| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str());
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| ours(scheme)) else {
        return REDACTED.to_owned();
    };
    let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    // Is it a password with a question mark or a query with an at sign? Better not to guess.
    if query.contains('@') {
        return REDACTED.to_owned();
    }
    let mut shown = format!("{scheme}://");
    let place = match place.rsplit_once('@') {
        Some((_secret, place)) => {
            shown.push_str(REDACTED);
            shown.push('@');
            place
        }
        None => place,
    };
    shown.push_str(place);
    if let Some(mark) = query.get(..1) {
        shown.push_str(mark);
        shown.push_str(REDACTED);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_a_url_one_sees_where_it_leads() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            (
                "rediss://user:s3cret@host:6380/2",
                "rediss://[redacted]@host:6380/2",
            ),
            (
                "unix:///run/redis.sock?db=1&pass=s3cret",
                "unix:///run/redis.sock?[redacted]",
            ),
            ("https://api/v1?apikey=s3cret", "https://api/v1?[redacted]"),
            ("redis://:s3@cr@et@host", "redis://[redacted]@host"),
            ("redis://:s3?cret@host", REDACTED),
            ("redis://host/?password=s3cr@et", REDACTED),
            ("s3cret", REDACTED),
            ("s3cret://", REDACTED),
            ("s3://cret", REDACTED),
            ("Redis://host", "Redis://host"),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_in_any_place_of_a_url_is_shown(secret in "[A-Z0-9@/:?#%&=.]{0,6}[XYZ]{4}[A-Z0-9@/:?#%&=.]{0,6}") {
            let core: String = secret.chars().filter(|letter| "XYZ".contains(*letter)).take(4).collect();
            for url in [
                format!("redis://user:{secret}@host:1/0"),
                format!("redis://{secret}@host"),
                format!("unix:///path?pass={secret}"),
                format!("https://host/path?key={secret}#top"),
                format!("https://host/path#{secret}"),
                secret,
            ] {
                let shown = without_secrets(&url);
                prop_assert!(!shown.contains(&core), "{url} is shown as {shown}");
            }
        }

        #[test]
        fn a_value_is_one_line(value in any::<String>()) {
            let shown = one_line(&value);
            prop_assert_eq!(shown.lines().count(), 1);
            prop_assert!(!shown.contains(char::is_control));
        }
    }
}

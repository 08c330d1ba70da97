//! Redis's append-only file: every command that changed its data, in the order in which they were carried out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// A command as it was carried out, its name first.
pub(super) type Command = Vec<Vec<u8>>;

/// All commands in the append-only file of the server that has, or had, this folder. What stands after the last whole
/// command is left out: a server that was killed may have written half a one.
///
/// # Errors
///
/// There is no such file, or it has been rewritten, so that it no longer tells how its data came about. A replica
/// rewrites it when it begins to follow its primary; where no stream was there by then, nothing is missing.
pub(super) fn commands(folder: &Path) -> anyhow::Result<Vec<Command>> {
    let mut commands = Vec::new();
    for (file, rewritten) in files(folder)? {
        let bytes =
            fs::read(&file).with_context(|| format!("could not read {}", file.display()))?;
        ensure!(
            !bytes.starts_with(b"REDIS") && !bytes.starts_with(b"VALKEY"),
            "{} has been rewritten",
            file.display()
        );
        let mut rest = &bytes[..];
        while let Some(command) =
            next(&mut rest).with_context(|| format!("{} holds something else", file.display()))?
        {
            ensure!(
                !rewritten || command[0] != b"XADD",
                "{} has been rewritten",
                file.display()
            );
            commands.push(command);
        }
    }
    Ok(commands)
}

/// The files in their order, and whether each was rewritten: one before Redis 7.0, where nobody knows, then those that
/// a manifest lists.
fn files(folder: &Path) -> anyhow::Result<Vec<(PathBuf, bool)>> {
    let single = folder.join("appendonly.aof");
    if single.is_file() {
        return Ok(vec![(single, false)]);
    }
    let parts = folder.join("appendonlydir");
    let manifest = parts.join("appendonly.aof.manifest");
    let manifest = fs::read_to_string(&manifest)
        .with_context(|| format!("no append-only file in {}", folder.display()))?;
    let mut files = Vec::new();
    // "file NAME seq NUMBER type b|i|h", and more behind it.
    for line in manifest.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let ["file", name, "seq", number, "type", kind, ..] = words[..] else {
            bail!("not a line of a manifest: {line}");
        };
        if kind != "h" {
            files.push((parts.join(name), kind == "b" && number != "1"));
        }
    }
    Ok(files)
}

/// Takes the next command off the front; `None` where the rest is no whole command.
fn next(rest: &mut &[u8]) -> anyhow::Result<Option<Command>> {
    let mut ahead = *rest;
    loop {
        let Some(line) = line(&mut ahead) else {
            return Ok(None);
        };
        match line.split_first() {
            // A time, where the server is told to write some.
            Some((b'#', _)) => {}
            Some((b'*', count)) => {
                let mut command = Vec::new();
                for _ in 0..number(count)? {
                    let Some(word) = word(&mut ahead)? else {
                        return Ok(None);
                    };
                    command.push(word);
                }
                *rest = ahead;
                return Ok(Some(command));
            }
            _ => bail!("{:?} is no command", String::from_utf8_lossy(line)),
        }
    }
}

fn word(rest: &mut &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(head) = line(rest) else {
        return Ok(None);
    };
    let Some((b'$', length)) = head.split_first() else {
        bail!("{:?} is no length", String::from_utf8_lossy(head));
    };
    let length = number(length)?;
    let Some((word, behind)) = rest.split_at_checked(length) else {
        return Ok(None);
    };
    let Some(behind) = behind.strip_prefix(b"\r\n") else {
        ensure!(behind.len() < 2, "a word is longer than it says");
        return Ok(None);
    };
    *rest = behind;
    Ok(Some(word.to_vec()))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

fn number(text: &[u8]) -> anyhow::Result<usize> {
    Ok(std::str::from_utf8(text)?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<&str> {
        command
            .iter()
            .map(|word| std::str::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn half_a_command_at_the_end_is_left_out() {
        let whole = b"#TS:1700000000\r\n*2\r\n$3\r\nDEL\r\n$1\r\nx\r\n";
        for end in 0..whole.len() - 1 {
            let mut rest = [&whole[..], &whole[..end]].concat();
            let mut rest = &rest.as_mut_slice()[..];
            assert_eq!(words(&next(&mut rest).unwrap().unwrap()), ["DEL", "x"]);
            assert_eq!(next(&mut rest).unwrap(), None, "{end}");
        }
    }

    #[test]
    fn what_is_no_command_is_an_error() {
        for bytes in ["+OK\r\n", "*1\r\nx\r\n", "*1\r\n$1\r\nxyz\r\n", "*x\r\n"] {
            assert!(next(&mut bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn words_are_any_bytes() {
        let mut rest = &b"*1\r\n$4\r\n\r\n\0\xff\r\n"[..];
        assert_eq!(next(&mut rest).unwrap().unwrap(), [b"\r\n\0\xff"]);
    }
}

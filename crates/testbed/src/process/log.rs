use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// How much of its log one look at a process reads, from the end.
const READ_MAX: u64 = 8 << 20;
/// How many lines of log an error or a panic shows.
const TAIL_LINES: usize = 40;

/// A process's log file. Reading never fails: what went wrong stands in the place of the text.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    /// Makes the file, or goes on with the one there is, and opens it for the process to write to.
    pub(super) fn create(path: PathBuf) -> anyhow::Result<(Self, File)> {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("could not open {}", path.display()))?;
        Ok((Self { path }, file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// In bytes.
    pub(super) fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |log| log.len())
    }

    /// What stands behind a place, in bytes from the start; the end of that if it is long.
    pub(super) fn after(&self, place: u64) -> String {
        self.read(place)
            .unwrap_or_else(|error| format!("could not read {}: {error}", self.path.display()))
    }

    /// Its last lines.
    pub(super) fn tail(&self) -> String {
        let text = self.after(0);
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn read(&self, place: u64) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        let start = place.max(self.len().saturating_sub(READ_MAX));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(READ_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

//! Folders for what a test leaves on disk: logs, data, histories.

use std::path::{Path, PathBuf};
use std::{env, fs, thread};

use anyhow::Context;
use tempfile::TempDir;

/// A temporary folder, removed on drop. It stays, and its path is printed, when the dropping thread is panicking
/// or `TESTBED_KEEP` is set.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// `None` for a folder that goes with another one or belongs to somebody else.
    owned: Option<TempDir>,
}

impl Folder {
    /// Makes a folder below the system's temporary folder; `name` is a part of its name.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("testbed-{name}-"))
            .tempdir()
            .context("could not make a temporary folder")?;
        Ok(Self {
            path: folder.path().to_path_buf(),
            owned: Some(folder),
        })
    }

    /// Makes a folder inside this one. It lives as long as this one does, not as long as the value returned.
    pub fn subfolder(&self, name: &str) -> anyhow::Result<Self> {
        let path = self.path.join(name);
        fs::create_dir(&path).with_context(|| format!("could not make {}", path.display()))?;
        Self::borrowed(&path)
    }

    /// A folder that somebody else made, keeps and removes.
    pub(crate) fn borrowed(path: &Path) -> anyhow::Result<Self> {
        // Programs that are given the path may run in another working folder.
        let path =
            std::path::absolute(path).with_context(|| format!("no path to {}", path.display()))?;
        Ok(Self { path, owned: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    #[allow(
        clippy::print_stderr,
        reason = "the test runner shows what a failing test printed"
    )]
    fn drop(&mut self) {
        let keep = thread::panicking() || env::var_os("TESTBED_KEEP").is_some();
        if let (Some(folder), true) = (&mut self.owned, keep) {
            folder.disable_cleanup(true);
            eprintln!("kept {}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_removed_with_all_that_is_in_it() {
        let folder = Folder::new("folder").unwrap();
        let inner = folder.subfolder("inner").unwrap();
        fs::write(inner.path().join("file"), "text").unwrap();
        let (outer_path, inner_path) = (folder.path().to_path_buf(), inner.path().to_path_buf());
        drop(inner);
        assert!(inner_path.exists());
        drop(folder);
        assert!(!outer_path.exists());
    }

    #[test]
    fn is_kept_when_the_test_panics() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let panicked = thread::spawn(move || {
            let folder = Folder::new("panicking").unwrap();
            sender.send(folder.path().to_path_buf()).unwrap();
            panic!("on purpose");
        })
        .join();
        assert!(panicked.is_err());
        let path = receiver.recv().unwrap();
        assert!(path.is_dir());
        fs::remove_dir_all(path).unwrap();
    }
}

//! Finds the programs that tests start.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The path of `name`: itself if it has a slash in it, else the first executable of that name on `PATH`.
pub(crate) fn find_program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = Path::new(name.as_ref());
    if name.components().count() > 1 {
        return is_executable(name).then(|| name.to_path_buf());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_on_the_path_and_what_is_named_by_path() {
        let shell = find_program("sh").expect("every Unix has a shell");
        assert!(shell.is_absolute());
        assert_eq!(find_program(&shell), Some(shell));
    }

    #[test]
    fn finds_neither_missing_programs_nor_plain_files() {
        assert_eq!(find_program("no-such-program-anywhere"), None);
        assert_eq!(find_program("/etc/passwd"), None);
        assert_eq!(find_program("/etc"), None);
    }
}

//! Finds the workspace's own binaries, and refuses to test old ones.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

use anyhow::{Context, bail};

/// The path of the workspace binary `name`, built with the same profile as the running test.
///
/// Cargo does not build one package's binaries for another package's tests, so this one may be missing, or older
/// than its sources; both are errors that name the command to run.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let test = env::current_exe().context("could not find out which program is running")?;
    // Tests are in PROFILE/deps, the binaries in PROFILE.
    let folder = test
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"));
    let folder = folder.with_context(|| format!("{} is in no folder", test.display()))?;
    fresh_binary(folder, name).with_context(|| format!("run `{}` first", build_command(folder)))
}

fn fresh_binary(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let binary = folder.join(name);
    let built =
        modified(&binary).with_context(|| format!("{} has not been built", binary.display()))?;
    // Cargo writes beside each binary what it was made of, the sources of its libraries included.
    let list = folder.join(format!("{name}.d"));
    let list =
        fs::read_to_string(&list).with_context(|| format!("could not read {}", list.display()))?;
    for source in sources(&list) {
        match modified(&source) {
            Ok(changed) if changed <= built => {}
            Ok(_) => bail!("{name} is older than {}", source.display()),
            Err(_) => bail!("{name} was built from {}, which is gone", source.display()),
        }
    }
    Ok(binary)
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// The paths behind the colon of a dependency list; a space within a path stands behind a backslash.
fn sources(list: &str) -> Vec<PathBuf> {
    let Some((_, sources)) = list.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    let mut path = String::new();
    for part in sources.split(' ').filter(|part| !part.is_empty()) {
        match part.strip_suffix('\\') {
            Some(start) => path.extend([start, " "]),
            None => {
                path.push_str(part);
                paths.push(PathBuf::from(std::mem::take(&mut path)));
            }
        }
    }
    paths
}

fn build_command(folder: &Path) -> String {
    let profile = folder.file_name().unwrap_or_default().to_string_lossy();
    match &*profile {
        "debug" => "cargo build --workspace --bins".to_owned(),
        profile => format!("cargo build --workspace --bins --profile {profile}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Folder;

    struct Build {
        folder: Folder,
        source: PathBuf,
    }

    /// A profile's folder with one binary, its list of sources, and one source from before the build.
    fn build() -> Build {
        let folder = Folder::new("build").unwrap();
        let source = folder.path().join("a source.rs");
        fs::write(&source, "").unwrap();
        fs::write(folder.path().join("tool"), "").unwrap();
        let escaped = source.display().to_string().replace(' ', "\\ ");
        fs::write(
            folder.path().join("tool.d"),
            format!("target/debug/tool: {escaped} {escaped}\n"),
        )
        .unwrap();
        set_age(&source, 20);
        set_age(&folder.path().join("tool"), 10);
        Build { folder, source }
    }

    fn set_age(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    #[test]
    fn a_fresh_binary_is_found() {
        let build = build();
        assert_eq!(
            fresh_binary(build.folder.path(), "tool").unwrap(),
            build.folder.path().join("tool")
        );
    }

    #[test]
    fn a_binary_older_than_a_source_is_refused() {
        let build = build();
        set_age(&build.source, 1);
        let error = fresh_binary(build.folder.path(), "tool")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("tool is older than") && error.ends_with("a source.rs"),
            "{error}"
        );
    }

    #[test]
    fn a_binary_of_a_removed_source_is_refused() {
        let build = build();
        fs::remove_file(&build.source).unwrap();
        let error = fresh_binary(build.folder.path(), "tool")
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("a source.rs, which is gone"), "{error}");
    }

    #[test]
    fn a_missing_binary_is_refused_with_the_command_to_run() {
        let error = format!("{:#}", binary("no-such-binary").unwrap_err());
        assert!(
            error.contains("cargo build --workspace --bins")
                && error.contains("has not been built"),
            "{error}"
        );
    }

    #[test]
    fn the_command_builds_the_profile_of_the_test() {
        assert_eq!(
            build_command(Path::new("/t/debug")),
            "cargo build --workspace --bins"
        );
        assert_eq!(
            build_command(Path::new("/t/release")),
            "cargo build --workspace --bins --profile release"
        );
    }
}

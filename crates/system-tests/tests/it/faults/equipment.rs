//! What some rows need of the machine. Where it is not there the test says so, and passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::not_run;

/// The library that shows a program another time than the machine's: Debian's package `libfaketime`.
pub(super) fn faketime(row: &str) -> Option<PathBuf> {
    let name = "faketime/libfaketimeMT.so.1";
    let arch = std::env::consts::ARCH;
    let folders = [
        format!("/usr/lib/{arch}-linux-gnu"),
        "/usr/lib64".to_owned(),
        "/usr/lib".to_owned(),
    ];
    let library = folders
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|library| library.exists());
    said(row, "there is no libfaketime", library)
}

/// A command that gives a program file systems of its own, so that it can be shown other files than the machine's.
/// Root may always, and whoever may make user namespaces.
pub(super) fn own_mounts(row: &str) -> Option<Vec<&'static str>> {
    let candidates: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--mount", "-r"]];
    let works = |command: &[&str]| {
        let mounts = ["mount", "-t", "tmpfs", "tmpfs", "/mnt"];
        Command::new(command[0])
            .args(&command[1..])
            .args(mounts)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let command = candidates.into_iter().find(|command| works(command));
    said(
        row,
        "neither root nor user namespaces are to be had",
        command.map(<[_]>::to_vec),
    )
}

fn said<T>(row: &str, missing: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        not_run(row, missing);
    }
    found
}

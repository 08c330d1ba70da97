//! The inputs from outside that are kept: what fuzzing found worth keeping, and what once did harm.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Gives every kept input of a fuzz target to `check`, those of `fuzz/regressions` first, and returns how many there
/// are. An error names the inputs at which `check` panicked, or says that there are none.
pub fn each_input(target: &str, check: impl Fn(&[u8])) -> anyhow::Result<usize> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut inputs = Vec::new();
    for kept in ["regressions", "corpus"] {
        inputs.append(&mut files(&fuzz.join(kept).join(target))?);
    }
    let mut broken = Vec::new();
    for input in &inputs {
        let bytes = fs::read(input).with_context(|| input.display().to_string())?;
        if catch_unwind(AssertUnwindSafe(|| check(&bytes))).is_err() {
            broken.push(input);
        }
    }
    ensure!(broken.is_empty(), "broken by {broken:?}");
    Ok(inputs.len())
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = listed
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    files.sort();
    ensure!(!files.is_empty(), "{} is empty", folder.display());
    Ok(files)
}

//! Faults, by number: what goes wrong with processes, Redis, the way there, the provider and the
//! machine. [`rows::ROWS`] says which tests hold each, of this crate and of the others; the tests of this room
//! are those that have no better place.

mod clocks;
mod entries;
mod equipment;
mod herd;
mod limits;
mod line;
mod mounts;
mod power;
mod processes;
mod provider;
mod rows;
mod versions;
mod watchers;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use rows::ROWS;

/// The table and the tests belong together: each number has its row, each test named exists, each test of this room
/// holds a row.
#[test]
fn every_row_is_held_by_tests_that_exist() -> anyhow::Result<()> {
    let tests = all_tests()?;
    let mut held = BTreeSet::from([
        "system-tests::faults::every_row_is_held_by_tests_that_exist",
        "system-tests::faults::a_test_is_known_by_its_attribute",
    ]);
    let mut rows: Vec<_> = ROWS.into_iter().flatten().collect();
    rows.sort_by_key(|row| row.number);
    for (number, row) in (1..).zip(rows) {
        let what = format!("row {}, {}", row.number, row.fault);
        ensure!(row.number == number, "{what}: not number {number}");
        ensure!(!row.held_by.is_empty(), "{what}: held by nothing");
        for test in row.held_by {
            tests
                .get(*test)
                .with_context(|| format!("{what}: there is no {test}"))?;
            held.insert(test);
        }
    }
    let stray: Vec<_> = tests
        .iter()
        .filter(|test| test.starts_with("system-tests::faults::") && !held.contains(&***test))
        .collect();
    ensure!(stray.is_empty(), "in no row: {stray:?}");
    Ok(())
}

/// Every integration test of every crate, as `crate::module::test`, read from the sources: other crates' tests are
/// in programs that this one cannot ask.
fn all_tests() -> anyhow::Result<BTreeSet<String>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let mut tests = BTreeSet::new();
    for folder in fs::read_dir(crates.context("no folder above")?)? {
        let folder = folder?;
        let (name, sources) = (folder.file_name(), folder.path().join("tests/it"));
        let name = name.to_string_lossy();
        if !sources.is_dir() {
            continue;
        }
        for source in files(&sources)? {
            let module = source.strip_prefix(&sources)?.with_extension("");
            let mut path: Vec<_> = module.iter().map(|part| part.to_string_lossy()).collect();
            if path
                .last()
                .is_some_and(|last| last == "mod" || last == "main")
            {
                path.pop();
            }
            let path = [std::slice::from_ref(&name), &path[..]].concat().join("::");
            let text = fs::read_to_string(&source)?;
            tests.extend(tests_in(&text).map(|test| format!("{path}::{test}")));
        }
    }
    Ok(tests)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                found.push(path);
            }
            false => {}
        }
    }
    Ok(found)
}

/// The names of the functions under an attribute that makes them tests.
fn tests_in(source: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    source.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line.starts_with("#[test") || line.starts_with("#[tokio::test") {
            is_test = true;
            return None;
        }
        let name = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "))?;
        let name = name.split('(').next()?;
        std::mem::take(&mut is_test).then_some(name)
    })
}

/// A test without its attribute, or in a comment, is no test.
#[test]
fn a_test_is_known_by_its_attribute() {
    // Quoted line by line, or they would be tests themselves.
    let source = [
        "fn helper() {}",
        "#[tokio::test(start_paused = true)]",
        "#[ignore]",
        "    async fn first() {}",
        "async fn no_test() {}",
        "// #[test]",
        "#[test]",
        "fn second() {}",
    ]
    .join("\n");
    assert_eq!(tests_in(&source).collect::<Vec<_>>(), ["first", "second"]);
}

//! The settings table of DEPLOYMENT.md beside what the binaries say of themselves.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context;

/// The variables and their defaults in `--help`.
fn offered(program: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let help = Command::new(testbed::binary(program)?)
        .arg("--help")
        .env_clear()
        .output()?
        .stdout;
    let help = String::from_utf8(help)?;
    let mut settings = BTreeMap::new();
    let mut variable = None;
    for line in help.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("[env: ") {
            let name = rest.trim_end_matches(']').trim_end_matches('=').to_owned();
            settings.insert(name.clone(), "unset".to_owned());
            variable = Some(name);
        } else if let (Some(rest), Some(name)) = (line.strip_prefix("[default: "), &variable) {
            settings.insert(name.clone(), rest.trim_end_matches(']').to_owned());
        }
    }
    anyhow::ensure!(!settings.is_empty(), "{program} --help lists no settings");
    Ok(settings)
}

/// The variables and their defaults in the tables under these headings.
fn documented(document: &str, headings: [&str; 2]) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut heading = "";
    for line in document.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            heading = title;
        } else if line.starts_with("## ") {
            heading = "";
        }
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        if let (true, Some(""), Some(name), Some(default)) = (
            headings.contains(&heading),
            cells.next(),
            cells.next(),
            cells.next(),
        ) && name
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter == '_')
        {
            settings.insert(name.to_owned(), default.to_owned());
        }
    }
    settings
}

#[test]
fn the_document_lists_every_setting_with_its_default() -> anyhow::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../DEPLOYMENT.md");
    let document = std::fs::read_to_string(path).context("DEPLOYMENT.md")?;
    for (program, heading) in [("ingress", "Ingress"), ("proxy", "Proxy")] {
        assert_eq!(
            offered(program)?,
            documented(&document, ["Both", heading]),
            "{program}"
        );
    }
    Ok(())
}

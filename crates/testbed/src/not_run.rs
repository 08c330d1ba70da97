/// Says of a test that it needs what is not there, in a line that begins with NOT RUN. The test runner shows it also
/// for a test that passes, where it is told to (`.config/nextest.toml`).
#[allow(clippy::print_stderr, reason = "nobody else would tell")]
pub fn not_run(test: &str, missing: &str) {
    eprintln!("NOT RUN: {test}: {missing} here");
}

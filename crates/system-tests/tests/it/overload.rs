//! The program that floods the system goes on working. What its rows show of the system is for `scripts/overload.sh`
//! on a machine that does nothing else.

use std::time::Duration;

use system_tests::overload::{Pace, Regime, page, table, walk};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
#[ignore = "takes a minute; scripts/test.sh --all"]
async fn every_row_is_walked() -> anyhow::Result<()> {
    let pace = Pace {
        onset: SECOND,
        judged: SECOND,
    };
    let walked = walk(Regime::terminals(), pace, |_| {}).await?;
    // Ten terminals of 100 ms each could do 100 and a few at the edges, on a machine that has time for them.
    assert!(
        (1.0..=120.0).contains(&walked.capacity),
        "{}",
        walked.capacity
    );
    let (table, page) = (table(&walked), page(&[walked], "a test"));
    for row in [
        "0.5 C",
        "0.9 C",
        "1 C",
        "2 C",
        "5 C",
        "10 C",
        "10 C, then 0.5 C, from 2 s after",
        "0.5 C, with 20 C for 200 ms",
        "2 C, callers try 3 times at once",
        "1 C, no proxies, then all",
    ] {
        let told = table.lines().any(|line| {
            let line = line.strip_prefix(['✓', '✗']).unwrap_or_default();
            let rest = line.trim_start().strip_prefix(row);
            rest.is_some_and(|rest| rest.starts_with(' '))
        });
        assert!(told, "{row}: {table}");
        assert!(page.contains(row), "{row}");
    }
    Ok(())
}

use testbed::{Event, Expectations, Failure, Folder, History, Outcome, What, check};

use crate::LONG;

#[test]
fn a_saved_history_is_judged_the_same() -> anyhow::Result<()> {
    let folder = Folder::new("history")?;
    let path = folder.path().join("history.jsonl");
    let history = History::new();
    let (id, mismatch) = (Some("c".into()), Some("city is null".into()));
    let failure = Failure::NoAnswer("31s".into());
    for outcome in [
        Outcome::Answer {
            status: 200,
            request_id: id,
            mismatch,
        },
        Outcome::Failed { failure },
        Outcome::Left,
    ] {
        let request = history.next_request();
        let (target, city, location) = ("http://ingress".into(), "Oslo".into(), "Centre".into());
        history.record(What::Sent {
            request,
            target,
            city,
            location,
            deadline_ms: 1000,
        });
        history.note("a \"fault\"\nin two lines");
        history.record(What::Ended { request, outcome });
    }
    history.save(&path)?;

    let loaded = History::load(&path)?;
    assert_eq!(loaded.events(), history.events());
    let verdict = |history| check(history, &Expectations::default()).unwrap_err();
    assert_eq!(verdict(&loaded), verdict(&history));
    assert_eq!(loaded.next_request(), 3);
    Ok(())
}

#[test]
fn a_file_that_is_no_history_is_an_error() -> anyhow::Result<()> {
    let folder = Folder::new("history")?;
    let path = folder.path().join("history.jsonl");
    assert!(History::load(&path).is_err());
    std::fs::write(&path, "{\"at_us\": 1}\n")?;
    assert!(History::load(&path).is_err());
    Ok(())
}

#[test]
fn events_are_in_the_order_of_their_times() {
    let history = History::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| history.note("a note")));
        }
    });
    let times: Vec<_> = history.events().iter().map(Event::at).collect();
    assert_eq!(times.len(), 4000);
    assert!(times.is_sorted());
    assert!(*times.last().unwrap() < LONG);
}

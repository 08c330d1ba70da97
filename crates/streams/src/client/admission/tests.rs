use super::*;

const BUDGET: Duration = Duration::from_secs(8);

fn worker(terminals: u32, hold_us: u64) -> WorkerSummary {
    WorkerSummary {
        consumer: "w".into(),
        terminals,
        hold_us,
        served: 0,
    }
}

fn reason(result: Result<Admitted<'_>, RequestError>) -> Option<Refusal> {
    match result {
        Ok(_) => None,
        Err(RequestError::Refused { reason, .. }) => Some(reason),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_bound_refuses_by_its_own_name() {
    let admission = Admission::new(2, 100, 10);
    let first = admission.admit(BUDGET, 0).expect("free");
    let second = admission.admit(BUDGET, 0).expect("free");
    assert_eq!(reason(admission.admit(BUDGET, 0)), Some(Refusal::InFlight));
    drop((first, second));
    assert_eq!(admission.in_flight(), 0, "a refusal keeps no place");

    assert_eq!(
        reason(admission.admit(BUDGET, 10)),
        Some(Refusal::UnknownRate)
    );
    admission.saw_workers(&[worker(5, 0)]);
    assert_eq!(
        reason(admission.admit(BUDGET, 10)),
        Some(Refusal::UnknownRate)
    );
    // 5 terminals of 100 ms: 50 per second, and a quarter of the budget is 2 s.
    admission.saw_workers(&[worker(5, 100_000)]);
    assert_eq!(reason(admission.admit(BUDGET, 99)), None);
    assert_eq!(
        reason(admission.admit(BUDGET, 100)),
        Some(Refusal::StreamFull)
    );
    assert_eq!(
        reason(admission.admit(BUDGET / 2, 55)),
        Some(Refusal::PredictedWait)
    );
    assert_eq!(reason(admission.admit(BUDGET / 2, 54)), None);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_behind_lets_in_whom_that_costs_little() {
    let admission = Admission::new(1_000, 1_000, 10);
    let bit = Duration::from_millis(1);
    admission.saw_lag(BUDGET / 100);
    assert_eq!(reason(admission.admit(BUDGET, 0)), None);
    admission.saw_lag(BUDGET / 100 + bit);
    assert_eq!(reason(admission.admit(BUDGET, 0)), Some(Refusal::Lag));
    assert_eq!(reason(admission.admit(BUDGET * 2, 0)), None);
    // No timer goes off in time to the millisecond.
    admission.saw_lag(bit * 2);
    assert_eq!(reason(admission.admit(bit * 20, 0)), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_let_in_is_told_how_long_it_waits() {
    let admission = Admission::new(1_000, 1_000, 10);
    assert_eq!(admission.admit(BUDGET, 3).expect("in").predicted, None);
    admission.saw_workers(&[worker(5, 100_000)]);
    let predicted = |outstanding| admission.admit(BUDGET, outstanding).expect("in").predicted;
    assert_eq!(predicted(4), Some(Duration::ZERO));
    assert_eq!(predicted(5), Some(Duration::from_millis(20)));
    assert_eq!(predicted(14), Some(Duration::from_millis(200)));
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_assumed_to_be_served_since() {
    let admission = Admission::new(1_000, 1_000, 10);
    admission.saw_workers(&[worker(5, 100_000), worker(5, 100_000)]);
    admission.saw_outstanding(500);
    assert_eq!(
        reason(admission.admit(BUDGET, 0)),
        Some(Refusal::PredictedWait)
    );
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(reason(admission.admit(BUDGET, 0)), None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_caller_is_told_when_its_turn_would_come_or_later() {
    let admission = Admission::new(1_000, 1_000, 10);
    admission.saw_workers(&[worker(1, 100_000)]);
    admission.saw_outstanding(100);
    for _ in 0..100 {
        let Err(RequestError::Refused { retry_after, .. }) = admission.admit(BUDGET, 0) else {
            panic!("a wait of 10 seconds");
        };
        let bounds = Duration::from_secs(8)..Duration::from_secs(18);
        assert!(bounds.contains(&retry_after), "{retry_after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stands_is_kept_shorter_than_one_that_passes() {
    let admission = Admission::new(1_000, 1_000, 10);
    admission.saw_workers(&[worker(10, 100_000)]);
    // A wait of 1 s: more than a tenth of the budget, less than a quarter.
    let queue = || admission.saw_outstanding(109);
    queue();
    tokio::time::advance(Duration::from_millis(4_000)).await;
    queue();
    assert_eq!(reason(admission.admit(BUDGET, 0)), None, "may still pass");
    tokio::time::advance(Duration::from_millis(1)).await;
    queue();
    assert_eq!(
        reason(admission.admit(BUDGET, 0)),
        Some(Refusal::PredictedWait)
    );
    assert!(
        admission.admit(BUDGET * 2, 0).is_ok(),
        "not long for this one"
    );
    admission.saw_outstanding(70);
    assert_eq!(reason(admission.admit(BUDGET, 0)), None, "short enough");
    queue();
    assert_eq!(
        reason(admission.admit(BUDGET, 0)),
        Some(Refusal::PredictedWait),
        "it was short, not gone"
    );
    admission.saw_outstanding(9);
    queue();
    assert_eq!(reason(admission.admit(BUDGET, 0)), None, "another one");
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_a_terminal_free_is_let_in_however_long_the_work() {
    let admission = Admission::new(1_000, 1_000, 10);
    // Work takes longer than anybody waits. Only what is let in can show that it no longer does.
    admission.saw_workers(&[worker(5, 20_000_000)]);
    assert_eq!(reason(admission.admit(BUDGET, 4)), None);
    assert_eq!(
        reason(admission.admit(BUDGET, 5)),
        Some(Refusal::PredictedWait)
    );
}

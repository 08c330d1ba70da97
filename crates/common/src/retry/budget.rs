//! The budget that keeps retries from becoming the load.
//!
//! A limit per call is no limit on the whole: when a target fails, every call becomes `attempts` calls, at the moment
//! when the target can bear it least. A budget ties retries to the calls that really came: each first attempt pays in
//! a fifth of a token and each retry takes a whole one out. When few calls fail all of them are retried; when all
//! fail, retries add at most 20 %.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A shared token bucket for retries; clones draw on the same tokens.
///
/// At any time, withdrawals are at most the reserve plus a fifth of the deposits. The bucket holds at most its
/// capacity, so that a long calm does not save up for a storm of retries.
#[derive(Clone, Debug)]
pub struct RetryBudget {
    shared: Arc<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// In units of a fifth of a token, so that the arithmetic is exact.
    balance: AtomicU64,
    capacity: u64,
}

/// What a first attempt pays in.
const DEPOSIT: u64 = 1;
/// What a retry costs: one retry for five first attempts.
const WITHDRAWAL: u64 = 5;

impl RetryBudget {
    /// A budget that starts with `reserve` tokens, with which a quiet service may retry its first failures, and never
    /// holds more than `capacity` tokens or the reserve, whichever is more. A reserve of 0 is valid.
    pub fn new(reserve: u32, capacity: u32) -> Self {
        Self {
            shared: Arc::new(Bucket {
                balance: AtomicU64::new(u64::from(reserve) * WITHDRAWAL),
                capacity: u64::from(capacity.max(reserve)) * WITHDRAWAL,
            }),
        }
    }

    /// Pays in for one first attempt.
    pub fn deposit(&self) {
        let capacity = self.shared.capacity;
        self.update(|balance| (balance < capacity).then_some(balance + DEPOSIT));
    }

    /// Takes out one token for one retry; `false` means that the retry must not be made.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.update(|balance| balance.checked_sub(WITHDRAWAL))
    }

    fn update(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        // Relaxed is enough: the balance guards no other data.
        self.shared
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }
}

/// A reserve of 10 tokens and a capacity of 100.
impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(10, 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn five_calls_pay_for_one_retry() {
        let budget = RetryBudget::new(0, 100);
        (0..4).for_each(|_| budget.deposit());
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
    }

    #[test]
    fn a_quiet_service_may_use_its_reserve() {
        let budget = RetryBudget::new(3, 100);
        let granted = (0..10).filter(|_| budget.withdraw()).count();
        assert_eq!(granted, 3);
    }

    #[test]
    fn a_long_calm_saves_up_no_more_than_the_capacity() {
        let budget = RetryBudget::new(0, 7);
        (0..10_000).for_each(|_| budget.deposit());
        let granted = (0..10_000).filter(|_| budget.withdraw()).count();
        assert_eq!(granted, 7);
    }

    #[test]
    fn threads_that_share_a_budget_never_overdraw_it() {
        const DEPOSITS: usize = 5_000;
        let budget = RetryBudget::new(10, u32::MAX);
        let granted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let budget = budget.clone();
                    scope.spawn(move || {
                        (0..DEPOSITS)
                            .filter(|_| {
                                budget.deposit();
                                budget.withdraw()
                            })
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        let rest = (0..100).filter(|_| budget.withdraw()).count();
        assert_eq!(granted + rest, 10 + 4 * DEPOSITS / 5);
    }

    proptest! {
        #[test]
        fn withdrawals_stay_within_reserve_and_a_fifth_of_deposits(
            reserve in 0_u32..20,
            capacity in 0_u32..50,
            steps in prop::collection::vec(any::<bool>(), 0..500),
        ) {
            let budget = RetryBudget::new(reserve, capacity);
            let (mut deposits, mut withdrawals) = (0_u32, 0_u32);
            for deposit in steps {
                if deposit {
                    budget.deposit();
                    deposits += 1;
                } else if budget.withdraw() {
                    withdrawals += 1;
                }
                prop_assert!(5 * withdrawals <= 5 * reserve + deposits);
            }
            let rest = (0..1000).filter(|_| budget.withdraw()).count();
            prop_assert!(rest <= capacity.max(reserve) as usize);
        }
    }
}

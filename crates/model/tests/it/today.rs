//! Where the engine in `crates/streams` is not yet as intended. What it breaks is found here, and nothing else is;
//! the shortest runs are shown by the tests of the same switches in `broken.rs`.
//!
//! - `XCLAIM` asks for an idle time and not for an owner. A renewal (`Group::renew`) that comes after the lease
//!   lapsed takes the entry from a worker that has touched it as long ago as a renewal demands; a claim after a
//!   reconnect (`Fetch::take_again`) and a handing back (`Group::hand_back`) demand no idle time at all, and so
//!   take what another worker claimed since they looked. What is taken away is worked on twice at once although
//!   the worker that has it never stood still; the latter two also set its delivery count back. A look at the owner
//!   and the claim in one script would exclude it.
//! - A write that Redis refuses for a lasting reason is answered as unavailable (`Writer::written`), and so is one
//!   that waits for the reader in vain (`Writer::await_reader`), also when an earlier write of the same request
//!   broke off and may have got through; overdue ones (`Writer::give_up_overdue`) are asked for that.
//! - A request is written a second time since the first broke off, and the reply to the first comes while the second
//!   is under way: its slot is gone then (`Waiting::answer`), and `Waiting::end_write` withdraws nothing. The work is
//!   done once more, for nobody.

use model::*;

use crate::explore::violated;

#[test]
fn the_engine_of_today_breaks_these_and_nothing_else() {
    let rules = Rules {
        remembers_unclear_writes: false,
        withdraws_late_copies: false,
        renews_only_its_own: false,
        takes_again_only_its_own: false,
        hands_back_only_its_own: false,
        ..Rules::intended()
    };
    let bounds = Bounds {
        callers: 1,
        faults: 2,
        ..Bounds::calm()
    };
    let known = [
        HELD_AT_START,
        NOTHING_LEFT_OVER,
        ONE_HOLDER,
        UNSENT_IS_UNSENT,
    ];
    assert_eq!(violated(rules, bounds), known.into());
}

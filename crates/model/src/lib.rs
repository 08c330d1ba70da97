//! The protocol between callers, Redis and workers as a model, small enough that everything that can happen is
//! looked at. The engine in `crates/streams` follows it; nothing of the engine is used here.
//!
//! # The protocol
//!
//! A caller parks, then its request is written to the request stream. A worker is given the entry, and with it a
//! lease: as long as it touches the entry often enough, no other worker is given it. It starts the work only
//! while it believes that the lease holds, renews it meanwhile, and settles: reply, delete, acknowledge, in that
//! order on one connection. The reply reader wakes the caller, the first reply wins. What lapses is given to
//! whoever asks next; after too many deliveries it becomes a dead letter. A caller that leaves withdraws its
//! entries. A worker that is told to end cuts what it cannot finish and hands back what is pending for it.
//!
//! # What happens where
//!
//! | here | in `crates/streams/src` |
//! |---|---|
//! | `client`: ask, park, time out, leave | `client/caller.rs` |
//! | `client`: the slot of a caller; each step is one critical section | `client/waiting.rs` |
//! | `client`: write, unclear outcome, refusal, giving up | `client/writer.rs`, `wire/requests.rs` |
//! | `client`: withdraw | `client/outbox.rs`, `client/writer.rs` |
//! | `client`: read | `client/replies.rs` |
//! | `server`: deliver, claim, purge | `wire/group/take.rs`, as Redis carries it out |
//! | `server`: renew, hand back | `wire/group/keep.rs` |
//! | `server`: settle | `wire/group/settle.rs` |
//! | `worker`: take, look again, claim again | `worker/fetch.rs`, `Running::begin` in `worker/running.rs` |
//! | `worker`: start, finish, cut short | `worker/work.rs`, `Running::may_start` |
//! | `worker`: due, renew | `worker/lease.rs`, `Running::due` |
//! | `worker`: settle, abandon | `worker/settle.rs` |
//! | `worker`: condemned, letter | `worker/work.rs`, `worker/dead_letters.rs` |
//! | `drain` | `worker/drain.rs`, the end of `serve` in `worker/serve.rs` |
//! | `time`: expiry, idle time | `clock.rs`, and Redis's own |
//!
//! Where the code looks and then acts in two round trips, or a loop decides and then sends, these are two steps,
//! and anything may come in between: a tick, a crash, another worker. A command under way is a step of Redis and
//! a step of whoever reads the answer. Commands of one connection come in order, those of two in any order. A
//! connection that breaks may lose the commands, or only their answers, or let them arrive later.
//!
//! # Time
//!
//! Counted in ticks; a lease has two (three in a deep test), a renewal is due after one, a caller waits for
//! three. Whatever is not done at once is a fault (`faults`): a worker or the client stands still for as long
//! as it likes and then goes on, a command is slow for longer than a lease, a worker crashes and another takes
//! its place, a connection breaks, Redis refuses a write. The bounds say how many of these there are; when and
//! where is open.
//!
//! # What holds
//!
//! In every state (`properties`): no caller is woken twice, or with another's reply; no reply goes by while its
//! caller waits; who is told that nothing was sent can rely on it; what nobody waits for is withdrawn, where its
//! place is known; no entry leaves the stream but by a reply, a
//! dead letter, an expiry or a withdrawal; no entry stays on it that no worker will be given; what was settled is
//! not pending. And of every run: it ends, with nothing waiting, pending or under way.
//!
//! Of leases:
//!
//! - no two workers believe at the same moment that the lease of one entry is theirs;
//! - no worker starts work on an entry while another believes that the lease is its own;
//! - until a fault happens, no entry is worked on twice at once.
//!
//! Not promised is that work is done once. A worker that stood still *while* it worked goes on when it wakes,
//! beside the one that took over; a crash between reply and acknowledgement has the work done again; a request
//! that was written twice may be worked on twice. The model reaches all of these (`milestones`). And here the
//! look at the lease and the start are one step. In the code a moment lies between them, for which a tenth of the
//! lease is kept back: a process that stops just there for longer starts late. Only whatever the work changes
//! could exclude that, by refusing an older holder.
//!
//! # What is left out
//!
//! Loss of data (failover, an evicted or destroyed stream, a lost group), replies that are refused or trimmed,
//! clocks that are set, undecodable entries, admission, batches (each request goes alone, which allows more
//! orders, not fewer), the choice among entries that wait for their last delivery, a second client, and handlers
//! that cannot be cut because they block their thread.
//!
//! # What is explored
//!
//! By `tests/it/holds.rs`, exhaustively, two workers always; callers and workers that differ only in name are
//! taken as one. Measured on two cores with other work on them, one thread each:
//!
//! | callers | terminals | lease, patience | faults | drains | departures | states | steps | seconds |
//! |---|---|---|---|---|---|---|---|---|
//! | 2 | 1 | 2, 3 | 0 | 0 | 0 | 4 665 | 16 142 | 0.1 |
//! | 2 | 1 | 2, 3 | 1 | 0 | 0 | 398 463 | 1 947 148 | 4 |
//! | 2 | 1 | 2, 3 | 0 | 1 | 1 | 418 840 | 2 221 831 | 5 |
//! | 2 | 2 | 2, 3 | 0 | 0 | 1 | 23 278 | 90 167 | 0.2 |
//! | 1 | 1 | 2, 3 | 2 | 0 | 0 | 186 647 | 913 550 | 2 |
//! | 1 | 1 | 3, 5 | 2 | 0 | 0 | 370 733 | 1 751 512 | 3 |
//! | 1 | 1 | 2, 3 | 1 | 1 | 1 | 204 639 | 979 444 | 2 |
//! | 1 | 2 | 2, 3 | 2 | 0 | 0 | 659 566 | 3 334 360 | 6 |
//! | 1 | 1 | 2, 3 | 3 | 0 | 0 | 3 523 996 | 22 064 481 | 49, on request |
//! | 1 | 1 | 2, 3 | 2 | 1 | 0 | 3 353 833 | 20 353 985 | 43, on request |
//! | 2 | 1 | 2, 3 | 1 | 0 | 2 | 1 319 545 | 7 071 482 | 14, on request |
//!
//! Where no fault can come in between any more, steps of a worker whose order makes no difference are taken as
//! one (`hurry` in `protocol.rs`); two explorations without that see to it that nothing is hidden by it.
//!
//! A state is known again by a hash of 64 bits, so that with some probability (below one in a million for these
//! numbers) one was taken for another. `tests/it/ends.rs` walks all runs of three of these bounds for whether
//! they end.
//!
//! Each rule has a switch ([`Rules`]), and `tests/it/broken.rs` turns each off: the model must find what that
//! breaks, and prints the shortest run to it. Five of these rules the engine
//! did not keep until the model showed what that costs: owners were not looked at, unclear writes were forgotten.

mod action;
mod client;
mod drain;
mod faults;
mod milestones;
mod properties;
mod protocol;
mod rules;
mod server;
mod state;
mod symmetry;
mod time;
mod worker;

pub use self::{
    action::Action,
    milestones::*,
    properties::*,
    protocol::Protocol,
    rules::{Bounds, Rules, Settles},
    state::{Id, Pipe, State},
};

//! The only room that knows the `redis` crate. Everything above speaks in entries, ids and faults, so
//! that the way to Redis can be changed here without touching a loop.

mod connect;
mod dead_letter;
mod entry;
mod fault;
mod file;
#[cfg(any(test, fuzzing))]
mod foreign;
mod group;
mod login;
mod observe;
mod probe;
mod refused;
mod replies;
mod requests;
mod sentinel;
mod tls;

pub(crate) use connect::{Connection, Connector, Followed, Lead, check_url};
pub(crate) use dead_letter::DeadLetter;
pub(crate) use entry::{Entry, EntryId};
pub(crate) use fault::WireError;
#[cfg(any(test, fuzzing))]
pub(crate) use foreign::foreign_entries;
pub(crate) use group::{
    Claim, Delivery, Fetched, Group, PendingEntry, Settled, SettledBatch, Whose,
};
pub(crate) use observe::{Announcement, Observation};
pub(crate) use replies::{ReplyStreamReader, Resumed};
pub(crate) use requests::{RequestBatch, Written};

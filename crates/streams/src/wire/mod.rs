//! The only room that speaks the protocol of Redis. Everything above speaks in entries, ids and faults, so that the
//! way to Redis can be changed here without touching a loop.
//!
//! From the bottom up: [`resp`] turns commands into bytes and bytes into answers, [`exchange`] sends them over a
//! connection, [`reach`], [`tls`] and [`login`] make one, [`connect`] makes all of them lead to the same server.
//! [`answer`] and [`entry`] take answers apart; the other files are the commands. The `redis` crate reads URLs, and in
//! the tests it is what the codec is compared with.

mod answer;
mod connect;
mod dead_letter;
mod entry;
mod exchange;
mod fault;
mod figures;
mod file;
#[cfg(any(test, fuzzing))]
mod foreign;
mod group;
mod info;
mod login;
mod observe;
mod probe;
mod reach;
mod refused;
mod replies;
mod requests;
mod resp;
mod sentinel;
mod size;
mod tls;
mod transaction;
mod unblock;

pub(crate) use connect::{Connection, Connector, Followed, Lead, check_url};
pub(crate) use dead_letter::DeadLetter;
pub(crate) use entry::{Entry, EntryId};
pub(crate) use fault::WireError;
pub(crate) use figures::ServerFigures;
#[cfg(any(test, fuzzing))]
pub(crate) use foreign::{foreign_entries, foreign_figures};
pub(crate) use group::{
    Answered, Claim, Delivery, Fetched, Group, PendingEntry, Read, Settled, SettledBatch,
    SettledReply, Settlement, Whose,
};
#[cfg(any(test, fuzzing))]
pub(crate) use info::MAX_WORD;
pub(crate) use observe::{Announcement, Observation};
pub(crate) use replies::{ReplyStreamReader, Resumed};
pub(crate) use requests::{RequestBatch, Written};
#[cfg(any(test, fuzzing))]
pub(crate) use resp::compared::compare_answer;
pub(crate) use size::Size;

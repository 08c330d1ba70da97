//! What can happen, and how a trace tells it.

use std::fmt;

use crate::state::{Id, Pipe, Sender, What};

/// One step. The number is the caller or the worker; the second one a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A tick passes for everybody.
    Tick,

    /// A caller asks.
    Ask(usize),
    /// A caller is parked that asked before; only where the rules are broken.
    Park(usize),
    /// The writer sends a request.
    Write(usize),
    /// The writer gives a request up that it could not send.
    GiveUp(usize),
    /// The reply reader reads a reply.
    Read(usize),
    /// A caller's time is up.
    TimeOut(usize),
    /// A caller leaves before that.
    Leave(usize),
    /// Redis deletes what a caller withdrew.
    Withdraw(usize),

    /// Redis gives a worker an entry, new or lapsed.
    Deliver(usize, Id),
    /// A worker that looks for lapsed entries removes a reference to one that is gone.
    Purge(Id),
    /// A worker reads what it was given.
    Take(usize),
    /// A worker looks for what is pending for it after a reconnect.
    LookAgain(usize, Option<Id>),
    /// It asks for what it found.
    ClaimAgain(usize),
    /// A worker starts work, or a burial, or finds that its lease has lapsed.
    Start(usize, usize),
    /// The handler is done.
    Finish(usize, usize),
    /// The handler is cut at the deadline.
    CutShort(usize, usize),
    /// A worker sends finished work off.
    Settle(usize, usize),
    /// A worker stops trying to.
    Abandon(usize, usize),
    /// The lease loop finds a lease due.
    Due(usize, usize),
    /// It sends the renewal.
    Renew(usize, usize),

    /// A worker is told to end.
    Drain(usize),
    /// Its work is cut.
    CutAll(usize),
    /// It looks at what is pending for it.
    LookBack(usize),
    /// It hands one back.
    HandBack(usize, Id),
    /// It ends.
    End(usize),

    /// Redis carries out the next command of what was sent.
    Execute(Pipe),
    /// The sender reads the answer.
    Answer(Pipe),
    /// What nobody waits for any more never reaches Redis.
    Vanish(Pipe),

    /// Fault: a worker crashes.
    Crash(usize),
    /// Fault: a worker stands still.
    Stop(usize),
    /// It goes on.
    Continue(usize),
    /// Fault: the client stands still.
    StopClient,
    /// It goes on.
    ContinueClient,
    /// Fault: the connection breaks under a command, which arrives all the same or not.
    Break(Pipe),
    /// Fault: a delivery is lost with its connection.
    LoseDelivery(usize),
    /// Fault: a command is slow.
    Slow(Pipe),
    /// Fault: Redis refuses a write.
    Refuse(Pipe),
    /// Fault: the reply reader reconnects; only told where it matters.
    ReaderReconnects,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => write!(f, "- a tick -"),
            Self::Ask(c) => write!(f, "caller {c} asks"),
            Self::Park(c) => write!(f, "caller {c} is parked"),
            Self::Write(c) => write!(f, "writer sends the request of caller {c}"),
            Self::GiveUp(c) => write!(f, "writer gives the request of caller {c} up"),
            Self::Read(c) => write!(f, "reader reads a reply to caller {c}"),
            Self::TimeOut(c) => write!(f, "caller {c} times out"),
            Self::Leave(c) => write!(f, "caller {c} leaves"),
            Self::Withdraw(c) => write!(f, "Redis deletes what caller {c} withdrew"),
            Self::Deliver(w, id) => write!(f, "Redis gives {id} to worker {w}"),
            Self::Purge(id) => write!(f, "Redis drops the reference to {id}"),
            Self::Take(w) => write!(f, "worker {w} takes it in hand"),
            Self::LookAgain(w, Some(id)) => {
                write!(
                    f,
                    "worker {w} has reconnected and finds {id} pending for it"
                )
            }
            Self::LookAgain(w, None) => {
                write!(f, "worker {w} has reconnected and finds nothing pending")
            }
            Self::ClaimAgain(w) => write!(f, "worker {w} sends the claim for it"),
            Self::Start(w, t) => write!(f, "worker {w} is about to start (terminal {t})"),
            Self::Finish(w, t) => write!(f, "worker {w} finishes (terminal {t})"),
            Self::CutShort(w, t) => write!(f, "worker {w} is cut at the deadline (terminal {t})"),
            Self::Settle(w, t) => write!(f, "worker {w} sends reply and ack (terminal {t})"),
            Self::Abandon(w, t) => write!(f, "worker {w} lets go what is overdue (terminal {t})"),
            Self::Due(w, t) => write!(f, "worker {w} finds its lease due (terminal {t})"),
            Self::Renew(w, t) => write!(f, "worker {w} sends the renewal (terminal {t})"),
            Self::Drain(w) => write!(f, "worker {w} is told to end"),
            Self::CutAll(w) => write!(f, "worker {w} cuts what runs"),
            Self::LookBack(w) => write!(f, "worker {w} looks at what is pending for it"),
            Self::HandBack(w, id) => write!(f, "worker {w} sends {id} back"),
            Self::End(w) => write!(f, "worker {w} ends, another one takes its place"),
            Self::Execute(pipe) => write!(f, "Redis carries out {pipe}"),
            Self::Answer(pipe) => write!(f, "answer read: {pipe}"),
            Self::Vanish(pipe) => write!(f, "never arrives: {pipe}"),
            Self::Crash(w) => write!(f, "FAULT worker {w} crashes, another one takes its place"),
            Self::Stop(w) => write!(f, "FAULT worker {w} stands still"),
            Self::Continue(w) => write!(f, "worker {w} goes on"),
            Self::StopClient => write!(f, "FAULT the client stands still"),
            Self::ContinueClient => write!(f, "the client goes on"),
            Self::Break(pipe) => write!(f, "FAULT connection breaks under {pipe}"),
            Self::LoseDelivery(w) => {
                write!(f, "FAULT worker {w} loses the delivery and reconnects")
            }
            Self::Slow(pipe) => write!(f, "FAULT slow: {pipe}"),
            Self::Refuse(pipe) => write!(f, "FAULT Redis refuses {pipe}"),
            Self::ReaderReconnects => write!(f, "FAULT reader reconnects"),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}{}", self.caller, ["", "'"][self.copy.min(1)])
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Write { id, .. } => write!(f, "the write of {id}"),
            What::Settle {
                id,
                reply,
                delete,
                ack,
            } => {
                write!(f, "the settling of {id} (left to do:")?;
                for (name, left) in [("reply", reply), ("delete", delete), ("ack", ack)] {
                    if left {
                        write!(f, " {name}")?;
                    }
                }
                write!(f, ")")
            }
            What::Renew { id, .. } => write!(f, "the renewal of {id}"),
            What::Claim { id, .. } => write!(f, "the claim of {id}"),
            What::HandBack { id, .. } => write!(f, "the handing back of {id}"),
            What::Letter { id, .. } => write!(f, "the dead letter of {id}"),
        }?;
        match self.from {
            Sender::Client => Ok(()),
            Sender::Worker(worker) => write!(f, ", worker {worker}"),
            Sender::Nobody => write!(f, ", sender gone"),
        }
    }
}

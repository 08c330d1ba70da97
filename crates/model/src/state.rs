//! What the model knows at one moment: the callers, Redis, the workers, and what is under way between them.
//!
//! There is no absolute time in it. All clocks count down to nothing or up to the lease and stop there, so that
//! the state space is finite without a bound on the length of a run.

/// Callers that a state holds.
pub(crate) const CALLERS: usize = 2;
/// Workers that a state holds.
pub(crate) const WORKERS: usize = 2;
/// Terminals of one worker that a state holds.
pub(crate) const TERMINALS: usize = 2;
/// How often one request may be written: once, and once more when the outcome is unknown.
pub(crate) const COPIES: usize = 2;

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State {
    pub(crate) callers: [Caller; CALLERS],
    /// The client, which both callers share, stands still.
    pub(crate) client_stopped: bool,
    pub(crate) entries: [Option<Entry>; CALLERS * COPIES],
    pub(crate) workers: [Worker; WORKERS],
    /// What was sent and is not done with, in a fixed order.
    pub(crate) pipes: Vec<Pipe>,
    /// What may still go wrong, drain and leave.
    pub(crate) faults: u8,
    pub(crate) drains: u8,
    pub(crate) departures: u8,
    /// What happened that must not happen, where a state alone would not show it.
    pub(crate) seen: Seen,
}

/// Wrongs that only a step shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Seen {
    /// A caller was woken a second time.
    pub answered_twice: bool,
    /// A reply to one caller was given to another.
    pub crossed: bool,
    /// A reply went by while its caller was about to wait or waited.
    pub missed: bool,
    /// The client learned where a request lies that nobody waits for, and let it lie.
    pub left_over: bool,
    /// Work was started while another worker held the lease.
    pub started_unheld: bool,
    /// A settled request was still pending when its worker let it go.
    pub settled_pending: bool,
}

/// A caller and what the client keeps for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Caller {
    pub phase: Phase,
    /// Ticks until it gives up.
    pub left: u8,
    /// The request lies in the outbox, or with the writer to be sent again.
    pub parcel: bool,
    /// Writes that were begun.
    pub copies: u8,
    pub slot: Option<Slot>,
    /// Entries to be withdrawn, by copy.
    pub withdraw: [bool; COPIES],
    /// Replies on their way to it.
    pub unread: u8,
    /// Whether Redis ever took the request. Not kept for those who are told nothing of it.
    pub sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Takes no part in this exploration.
    Absent,
    /// Has not asked, and will.
    Idle,
    /// Has asked without being parked; only where the rules are broken.
    Unparked,
    Waiting,
    /// Was answered, timed out or left.
    Ended,
    /// Was told: "Redis did not take the request; no worker will see it."
    ToldUnsent,
}

/// A slot of the waiting map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// False once the caller left while its request was being written.
    pub caller: bool,
    pub writing: bool,
    pub perhaps_written: bool,
    pub entries: [bool; COPIES],
}

/// An entry's id: whose request it is and which write of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    pub(crate) caller: usize,
    pub(crate) copy: usize,
}

/// What Redis knows of an entry, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Ticks until it expires.
    pub left: u8,
    pub present: bool,
    /// The group's cursor has passed it.
    pub delivered: bool,
    pub pending: Option<Pending>,
    pub replied: bool,
    pub lettered: bool,
    /// Removed by a worker without a reply, a dead letter or an expiry.
    pub owed: bool,
}

/// A row of the group's pending list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Pending {
    pub owner: Owner,
    pub idle: u8,
    pub deliveries: u8,
}

/// Whose a pending entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Owner {
    Worker(usize),
    /// A process that is gone.
    Nobody,
}

/// A worker process. One that crashed or ended is replaced by a new one under another consumer name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Worker {
    pub stage: Stage,
    pub stopped: bool,
    pub fetch: Fetch,
    pub hands: [Option<Hand>; TERMINALS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    Serving,
    /// Takes nothing new.
    Draining,
    /// Everything was cut; what is pending has not been looked at.
    Parting,
    /// What was found pending and is to be handed back, with its delivery count.
    HandingBack([Option<u8>; CALLERS * COPIES]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fetch {
    Ready,
    /// A delivery that Redis made and the worker has not read.
    Arriving(Delivery),
    /// Connected again: what is pending for it and not running is to be taken again.
    Unproven,
    /// Found such an entry.
    Found(Id, u8),
    /// Has asked for it.
    Claiming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Delivery {
    pub id: Id,
    /// This one included.
    pub deliveries: u8,
    /// What was left of the entry's time when it was delivered, and now.
    pub expired: bool,
    pub left: u8,
    /// Ticks since Redis made it.
    pub age: u8,
}

/// An entry in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hand {
    pub id: Id,
    pub left: u8,
    /// Ticks since the delivery, or since the last renewal that succeeded was sent.
    pub age: u8,
    /// Somebody else has it.
    pub lost: bool,
    /// The lease loop has found it due, and has not sent the renewal.
    pub due: bool,
    pub work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Work {
    Taken,
    Running,
    /// Delivered too often; its letter is not written.
    Condemned,
    Finished {
        replies: bool,
        /// An attempt to settle it broke off.
        failed: bool,
    },
}

/// Commands under way, or their answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pipe {
    pub(crate) from: Sender,
    /// Ticks that it may still take. At 0 it is through before the next.
    pub(crate) slow: u8,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Sender {
    Client,
    Worker(usize),
    /// Whoever sent it has given the connection up.
    Nobody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum What {
    /// `XADD`.
    Write {
        id: Id,
        left: u8,
        taken: Option<bool>,
    },
    /// Reply, `XDEL`, `XACK`: what is left to be carried out.
    Settle {
        id: Id,
        reply: bool,
        delete: bool,
        ack: bool,
    },
    /// `XCLAIM … JUSTID` to oneself. `age` counts from the sending; once carried out, `verdict` is the
    /// lease's age if it is the sender's.
    Renew {
        id: Id,
        age: u8,
        verdict: Option<Option<u8>>,
    },
    /// `XCLAIM … RETRYCOUNT` of what is pending for oneself already.
    Claim {
        id: Id,
        deliveries: u8,
        answer: Option<Option<Delivery>>,
    },
    /// `XCLAIM … IDLE … RETRYCOUNT … JUSTID`.
    HandBack { id: Id, deliveries: u8, done: bool },
    /// `XADD` to the dead letters.
    Letter { id: Id, done: bool },
}

impl State {
    pub(crate) fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries[id.index()].as_ref()
    }

    pub(crate) fn entry_mut(&mut self, id: Id) -> Option<&mut Entry> {
        self.entries[id.index()].as_mut()
    }

    pub(crate) fn send(&mut self, from: Sender, what: What) {
        self.pipes.push(Pipe {
            from,
            slow: 0,
            what,
        });
    }

    /// Brings states that mean the same into one form.
    pub(crate) fn tidy(&mut self) {
        self.pipes
            .retain(|pipe| !(pipe.from == Sender::Nobody && pipe.what.is_carried_out()));
        self.pipes.sort_unstable();
        for entry in &mut self.entries {
            entry.take_if(|entry| !entry.present && entry.pending.is_none() && !entry.owed);
        }
        for worker in &mut self.workers {
            worker.hands.sort_unstable_by(|one, other| other.cmp(one));
        }
    }
}

impl Caller {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase,
            left: 0,
            parcel: false,
            copies: 0,
            slot: None,
            withdraw: [false; COPIES],
            unread: 0,
            sent: false,
        }
    }

    /// Whether it asked and has no answer.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Unparked)
    }
}

impl Worker {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Serving,
            stopped: false,
            fetch: Fetch::Ready,
            hands: [None; TERMINALS],
        }
    }

    pub(crate) fn has(&self, id: Id) -> bool {
        self.hands.iter().flatten().any(|hand| hand.id == id)
    }

    pub(crate) fn free(&self, terminals: usize) -> bool {
        self.hands.iter().flatten().count() < terminals
    }
}

impl Hand {
    /// Whether the worker believes that the lease is its own.
    pub(crate) fn holds(&self, lease: u8) -> bool {
        !self.lost && self.age < lease
    }
}

impl Id {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..CALLERS).flat_map(|caller| (0..COPIES).map(move |copy| Self { caller, copy }))
    }

    pub(crate) fn index(self) -> usize {
        self.caller * COPIES + self.copy
    }
}

impl What {
    /// Whether Redis is done with it, so that only the answer is under way.
    pub(crate) fn is_carried_out(&self) -> bool {
        match self {
            Self::Write { taken, .. } => taken.is_some(),
            Self::Settle {
                reply, delete, ack, ..
            } => !reply && !delete && !ack,
            Self::Renew { verdict, .. } => verdict.is_some(),
            Self::Claim { answer, .. } => answer.is_some(),
            Self::HandBack { done, .. } | Self::Letter { done, .. } => *done,
        }
    }
}

//! Callers are alike and workers are alike: of the states that differ only in who is who, one stands for all.

use crate::state::{
    CALLERS, COPIES, Fetch, Id, Owner, Phase, Sender, Stage, State, WORKERS, What, Worker,
};

impl State {
    /// The one that stands for all.
    pub fn representative(&self) -> Self {
        let mut least = self.clone();
        let alike = self
            .callers
            .iter()
            .all(|caller| caller.phase != Phase::Absent);
        for callers in [false, true].into_iter().filter(|swap| alike || !swap) {
            for workers in [false, true] {
                let other = self.renamed(callers, workers);
                if other < least {
                    least = other;
                }
            }
        }
        least
    }

    /// The same with the two callers, or the two workers, in each other's place.
    fn renamed(&self, callers: bool, workers: bool) -> Self {
        let names = Names { callers, workers };
        let mut renamed = self.clone();
        for caller in 0..CALLERS {
            renamed.callers[names.caller(caller)] = self.callers[caller];
        }
        for id in Id::all() {
            renamed.entries[names.id(id).index()] = self.entries[id.index()];
        }
        for pending in renamed
            .entries
            .iter_mut()
            .flatten()
            .flat_map(|entry| &mut entry.pending)
        {
            if let Owner::Worker(worker) = &mut pending.owner {
                *worker = names.worker(*worker);
            }
        }
        for worker in 0..WORKERS {
            renamed.workers[names.worker(worker)] = names.in_worker(self.workers[worker]);
        }
        for pipe in &mut renamed.pipes {
            if let Sender::Worker(worker) = &mut pipe.from {
                *worker = names.worker(*worker);
            }
            names.in_command(&mut pipe.what);
        }
        renamed.tidy();
        renamed
    }
}

/// Which names are swapped.
#[derive(Clone, Copy)]
struct Names {
    callers: bool,
    workers: bool,
}

impl Names {
    fn caller(self, caller: usize) -> usize {
        if self.callers {
            CALLERS - 1 - caller
        } else {
            caller
        }
    }

    fn worker(self, worker: usize) -> usize {
        if self.workers {
            WORKERS - 1 - worker
        } else {
            worker
        }
    }

    fn id(self, id: Id) -> Id {
        Id {
            caller: self.caller(id.caller),
            copy: id.copy,
        }
    }

    fn in_worker(self, mut worker: Worker) -> Worker {
        match &mut worker.fetch {
            Fetch::Arriving(delivery) => delivery.id = self.id(delivery.id),
            Fetch::Found(id, _) => *id = self.id(*id),
            Fetch::Ready | Fetch::Unproven | Fetch::Claiming => {}
        }
        for hand in worker.hands.iter_mut().flatten() {
            hand.id = self.id(hand.id);
        }
        if let Stage::HandingBack(rows) = &mut worker.stage
            && self.callers
        {
            rows.rotate_left(COPIES);
        }
        worker
    }

    fn in_command(self, what: &mut What) {
        match what {
            What::Claim { id, answer, .. } => {
                *id = self.id(*id);
                if let Some(Some(delivery)) = answer {
                    delivery.id = *id;
                }
            }
            What::Write { id, .. }
            | What::Settle { id, .. }
            | What::Renew { id, .. }
            | What::HandBack { id, .. }
            | What::Letter { id, .. } => *id = self.id(*id),
        }
    }
}

//! Carries the commands of the append-only file out once more, as far as they matter to entries and replies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context;

use super::aof::Command;
use super::life::{Delivery, End, Entry, Reason, Reply, envelope, place, status};
use super::{Ledger, Names};

/// A removal up to this long before the deadline counts as an expiry: callers count their own time, and what the replay
/// knows of Redis's is as old as the last entry that was added or given out, so that a removal at its deadline looks
/// earlier than it was.
const GRACE_MS: u64 = 250;

pub(super) struct Replay {
    requests: String,
    responses: String,
    dedicated: String,
    dead: String,
    ledger: Ledger,
    /// Entries on the stream, by id: where they stand in the ledger.
    open: BTreeMap<Id, usize>,
    /// Who holds an entry.
    held: HashMap<usize, Holder>,
    /// Entries that are in a dead letter.
    dead_letters: BTreeSet<String>,
    /// Entries that a lost group had given out.
    forgotten: BTreeSet<usize>,
    /// The latest time that was seen on Redis's clock.
    now_ms: u64,
    /// Entries that were removed since.
    just_removed: Vec<usize>,
}

struct Holder {
    /// How often it was delivered by then.
    count: u64,
    handed_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u64, u64);

impl Replay {
    pub(super) fn new(names: &Names) -> Self {
        Self {
            requests: names.requests.clone(),
            responses: names.responses.clone(),
            dedicated: format!("{}:", names.responses),
            dead: format!("{}:dead", names.requests),
            ledger: Ledger::default(),
            open: BTreeMap::new(),
            held: HashMap::new(),
            dead_letters: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            now_ms: 0,
            just_removed: Vec::new(),
        }
    }

    pub(super) fn carry_out(&mut self, command: &Command) -> anyhow::Result<()> {
        let words: Vec<_> = command
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
        let name = words
            .first()
            .context("an empty command")?
            .to_ascii_uppercase();
        let key = words.get(1).copied().unwrap_or_default();
        self.take_replies_off(&name, &words)?;
        match &*name {
            "XADD" => return self.add(command, &words),
            "FLUSHALL" | "FLUSHDB" => self.lose(&name),
            "DEL" | "UNLINK" if words[1..].contains(&&*self.requests) => self.lose(&name),
            _ if key != self.requests => {}
            "XCLAIM" => self.give(&words)?,
            "XDEL" => {
                for id in &words[2..] {
                    self.remove(id)?;
                }
            }
            "XACKDEL" | "XDELEX" => {
                for id in words.iter().skip_while(|word| **word != "IDS").skip(2) {
                    self.remove(id)?;
                }
            }
            "XTRIM" => self.trim(&words)?,
            "XGROUP" => {}
            // The key becomes something else, or goes.
            "SET" | "RENAME" | "EXPIRE" | "PEXPIREAT" | "RESTORE" => self.lose(&name),
            _ => {}
        }
        if name == "XGROUP" && words.get(2) == Some(&&*self.requests) {
            let what = words[1].to_ascii_uppercase();
            if what == "DESTROY" || what == "CREATE" {
                self.forget();
            }
        }
        Ok(())
    }

    /// The end of the file: says of each entry how it ended.
    pub(super) fn end(mut self) -> Ledger {
        for entry in &mut self.ledger.entries {
            let replied = entry
                .request
                .as_ref()
                .is_some_and(|id| self.ledger.replies.contains_key(id));
            if self.dead_letters.contains(&entry.id) {
                entry.end = Some(End::DeadLettered);
            } else if entry.end.is_some() && replied {
                entry.end = Some(End::Replied);
            }
        }
        self.ledger
    }

    fn is_now(&mut self, now_ms: u64) {
        if now_ms > self.now_ms {
            self.now_ms = now_ms;
            for entry in self.just_removed.drain(..) {
                self.ledger.entries[entry].removed_by_ms = Some(now_ms);
            }
        }
    }

    fn add(&mut self, command: &Command, words: &[&str]) -> anyhow::Result<()> {
        let key = words[1];
        let at = id_position(words).context("XADD without an id")?;
        let (id, fields) = (parse(words[at])?, &command[at + 1..]);
        self.is_now(id.0);
        let fields = fields.chunks_exact(2);
        if key == self.requests {
            self.add_request(id, words[at], fields);
        } else if self.is_of_replies(key) {
            for field in fields.filter(|field| is_request_id(&field[0])) {
                let (head, body) = envelope(&field[1]);
                let reply = Reply {
                    at_ms: id.0,
                    stream: key.to_owned(),
                    status: status(&head).to_owned(),
                    answer: place(&body),
                    may_be_missed: false,
                };
                let request = String::from_utf8_lossy(&field[0]).into_owned();
                self.ledger.replies.entry(request).or_default().push(reply);
            }
        } else if key == self.dead {
            let mut fields = fields;
            if let Some(entry) = fields.find(|field| field[0] == b"dead-entry") {
                let entry = String::from_utf8_lossy(&entry[1]).into_owned();
                self.dead_letters.insert(entry);
            }
        }
        Ok(())
    }

    fn add_request<'a>(
        &mut self,
        id: Id,
        text: &str,
        mut fields: impl Iterator<Item = &'a [Vec<u8>]>,
    ) {
        let field = fields.find(|field| is_request_id(&field[0]));
        let (head, body) = field.map(|field| envelope(&field[1])).unwrap_or_default();
        self.open.insert(id, self.ledger.entries.len());
        self.ledger.entries.push(Entry {
            id: text.to_owned(),
            request: field.map(|field| String::from_utf8_lossy(&field[0]).into_owned()),
            question: place(&body),
            added_ms: id.0,
            expires_ms: id.0.saturating_add(head["ttl"].as_u64().unwrap_or(0)),
            deliveries: Vec::new(),
            removed_ms: None,
            removed_by_ms: None,
            end: None,
        });
    }

    /// `XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n …`: a delivery, a renewal, or a handing back.
    fn give(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let [_, _, _, consumer, _, id, options @ ..] = words else {
            anyhow::bail!("an XCLAIM of another form: {words:?}");
        };
        let option = |name: &str| -> anyhow::Result<Option<u64>> {
            let at = options
                .iter()
                .position(|word| word.eq_ignore_ascii_case(name));
            let value = at.and_then(|at| options.get(at + 1));
            Ok(value.map(|value| value.parse()).transpose()?)
        };
        let Some(&entry) = self.open.get(&parse(id)?) else {
            return Ok(());
        };
        let count = option("RETRYCOUNT")?.unwrap_or(1);
        // Handing back sets the time of the delivery back by a lease.
        let at_ms = option("TIME")?.unwrap_or(self.now_ms).max(self.now_ms);
        self.is_now(at_ms);
        let before = self.held.get(&entry);
        let handed_back = before.is_some_and(|before| count < before.count);
        let again = match before {
            None if self.forgotten.remove(&entry) => Some(Reason::GroupMadeAgain),
            None => None,
            Some(before) if before.handed_back => Some(Reason::HandedBack),
            Some(before) if count > before.count => Some(Reason::Lapsed),
            Some(_) => {
                // A renewal, or the handing back itself.
                self.hold(entry, count, handed_back);
                return Ok(());
            }
        };
        self.hold(entry, count, false);
        self.ledger.entries[entry].deliveries.push(Delivery {
            at_ms,
            consumer: (*consumer).to_owned(),
            again,
        });
        Ok(())
    }

    fn hold(&mut self, entry: usize, count: u64, handed_back: bool) {
        let holder = Holder { count, handed_back };
        self.held.insert(entry, holder);
    }

    fn remove(&mut self, id: &str) -> anyhow::Result<()> {
        if let Some(entry) = self.open.remove(&parse(id)?) {
            let now_ms = self.now_ms;
            self.just_removed.push(entry);
            let entry = &mut self.ledger.entries[entry];
            entry.removed_ms = Some(now_ms);
            entry.end = Some(if now_ms + GRACE_MS >= entry.expires_ms {
                End::Expired
            } else {
                End::Withdrawn
            });
        }
        Ok(())
    }

    fn is_of_replies(&self, key: &str) -> bool {
        key == self.responses || key.starts_with(&self.dedicated)
    }

    /// Marks the replies that a command takes off their stream, and does nothing else that it does.
    fn take_replies_off(&mut self, name: &str, words: &[&str]) -> anyhow::Result<()> {
        let keys = words.get(1..).unwrap_or_default();
        let everything = ["FLUSHALL", "FLUSHDB"].contains(&name);
        if !everything && !keys.iter().any(|key| self.is_of_replies(key)) {
            return Ok(());
        }
        let before_ms = match name {
            "XTRIM" if words[2].eq_ignore_ascii_case("MINID") => parse(trim_bound(words)?)?.0,
            "FLUSHALL" | "FLUSHDB" | "DEL" | "UNLINK" | "SET" | "RENAME" | "RESTORE" | "XDEL"
            | "XTRIM" => u64::MAX,
            _ => return Ok(()),
        };
        for reply in self.ledger.replies.values_mut().flatten() {
            let is_its = everything || keys.contains(&&*reply.stream);
            reply.may_be_missed |= is_its && reply.at_ms <= before_ms;
        }
        Ok(())
    }

    fn trim(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let bound = trim_bound(words)?;
        let keep = if words[2].eq_ignore_ascii_case("MINID") {
            let bound = parse(bound)?;
            self.open.range(bound..).count()
        } else {
            bound.parse()?
        };
        while self.open.len() > keep {
            let Some((_, entry)) = self.open.pop_first() else {
                break;
            };
            self.end_lost(entry, "XTRIM");
        }
        Ok(())
    }

    fn lose(&mut self, fault: &str) {
        for entry in std::mem::take(&mut self.open).into_values() {
            self.end_lost(entry, fault);
        }
        self.held.clear();
    }

    fn end_lost(&mut self, entry: usize, fault: &str) {
        let entry = &mut self.ledger.entries[entry];
        entry.removed_ms = Some(self.now_ms);
        entry.end = Some(End::Lost(fault.to_owned()));
    }

    /// The group is gone, or new: what it had given out it will give out again.
    fn forget(&mut self) {
        self.forgotten
            .extend(self.held.drain().map(|(entry, _)| entry));
    }
}

/// Where an `XTRIM` cuts.
fn trim_bound<'a>(words: &[&'a str]) -> anyhow::Result<&'a str> {
    let at = if ["=", "~"].contains(&words[3]) { 4 } else { 3 };
    words.get(at).copied().context("an XTRIM without a bound")
}

/// Where the id stands in an `XADD`.
fn id_position(words: &[&str]) -> Option<usize> {
    // An option's value may be a number, but only an id has a hyphen between two.
    (2..words.len()).find(|at| parse(words[*at]).is_ok() && words[*at].contains('-'))
}

fn parse(id: &str) -> anyhow::Result<Id> {
    let (ms, sequence) = id.split_once('-').unwrap_or((id, "0"));
    let parsed = || anyhow::Ok(Id(ms.parse()?, sequence.parse()?));
    parsed().with_context(|| format!("{id:?} is no id of an entry"))
}

fn is_request_id(name: &[u8]) -> bool {
    name.len() == 36 && name.iter().filter(|byte| **byte == b'-').count() == 4
}

//! Settling reply by reply what was refused as a whole, each by a script, which may do in another order what a
//! transaction cannot: where no memory is left it deletes the request first, and its reply has the room.

use std::time::Duration;

use super::{
    Group,
    settle::{RefusedReply, SettledBatch, Settlement},
};
use crate::wire::{
    Connection, EntryId, WireError,
    answer::count,
    fault::checked,
    resp::{Commands, Value},
};

/// Settles one request with its reply.
///
/// KEYS\[1\] the request stream. ARGV\[1\] the group, ARGV\[2\] the entry, ARGV\[3\] the request's id, ARGV\[4\] the
/// reply, ARGV\[5\] the reply stream, ARGV\[6\] whether there is `XACKDEL`. A key that is named as one has to be
/// readable as well (Redis ACL), and a worker need not be able to read replies.
/// Returns whether the request was still pending, or -1 where it was replied to and could not be deleted; an error
/// where the reply was refused, and the request stays; whether it was still pending as the only item of an array where
/// the reply was refused and the request is gone.
///
/// A script that has written something is not refused memory any more, but its reply may be for another reason.
const SETTLE_ONE: &str = "
local function reply() return redis.pcall('XADD', ARGV[5], '*', ARGV[3], ARGV[4]) end
local function failed(answer) return type(answer) == 'table' and answer.err end
local function delete()
  if ARGV[6] == '1' then
    local ends = redis.pcall('XACKDEL', KEYS[1], ARGV[1], 'IDS', 1, ARGV[2])
    if failed(ends) then return -1 end
    if ends[1] ~= -1 then return 1 end
    return failed(redis.pcall('XDEL', KEYS[1], ARGV[2])) and -1 or 0
  end
  if failed(redis.pcall('XDEL', KEYS[1], ARGV[2])) then return -1 end
  local acked = redis.pcall('XACK', KEYS[1], ARGV[1], ARGV[2])
  return failed(acked) and -1 or acked
end
local replied = reply()
if not failed(replied) then return delete() end
if not string.find(replied.err, 'OOM', 1, true) then return replied end
local pending = delete()
if pending == -1 then return replied end
replied = reply()
if failed(replied) then return {pending} end
return pending";

impl Group {
    /// Settles of a batch that met this `refusal` what can be settled. The refusal of a command says more than that of
    /// a script.
    pub(super) async fn settle_one_by_one(
        &self,
        connection: &mut Connection,
        settlement: &Settlement<'_>,
        reply_retention: Duration,
        refusal: WireError,
    ) -> Result<SettledBatch, WireError> {
        let (batch, with_delete) = (settlement.batch, settlement.with_delete);
        let mut commands = Commands::new();
        for item in batch {
            let Some(reply) = item.reply else {
                continue;
            };
            if item.ack {
                commands.cmd("EVAL").arg(SETTLE_ONE).arg(1_u64);
                commands.arg(&self.names.requests);
                commands.arg(&self.names.group).arg(item.entry);
                commands
                    .arg(reply.request)
                    .arg(reply.envelope)
                    .arg(reply.stream);
                commands.arg(u64::from(with_delete));
            } else {
                commands.cmd("XADD").arg(reply.stream).arg("*");
                commands.arg(reply.request).arg(reply.envelope);
            }
        }
        let unanswered: Vec<EntryId> = batch
            .iter()
            .filter(|item| item.ack && item.reply.is_none())
            .map(|item| item.entry)
            .collect();
        if !unanswered.is_empty() {
            self.delete_and_ack(&mut commands, &unanswered, with_delete);
        }
        self.retain(&mut commands, &settlement.streams, reply_retention);
        let mut answers = connection.send(commands).await?.into_iter();

        let mut settled = SettledBatch::default();
        for item in batch.iter().filter(|item| item.reply.is_some()) {
            let refused = || RefusedReply {
                entry: item.entry,
                error: refusal.clone(),
            };
            match checked(answers.next().unwrap_or_default()) {
                Err(_) => {
                    settled.refused.push(refused());
                    if item.ack {
                        settled.leave(&[item.entry], refusal.clone());
                    }
                }
                Ok(Value::Array(gone)) if item.ack => {
                    settled.refused.push(refused());
                    settled.removed += gone.first().map(count).transpose()?.unwrap_or_default();
                }
                Ok(Value::Int(-1)) => settled.leave(&[item.entry], refusal.clone()),
                Ok(pending) if item.ack => settled.removed += count(&pending)?,
                Ok(_) => {}
            }
        }
        if !unanswered.is_empty() {
            settled.acknowledged(&mut answers, &unanswered, with_delete);
        }
        Ok(self.delete_missed(connection, settled).await)
    }
}

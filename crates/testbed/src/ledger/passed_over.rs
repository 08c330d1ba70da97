//! Replies that lay on their stream and did not reach their callers, though the reader went past them.
//!
//! A reader reads a stream in its order. So when a caller was answered with a reply, that ingress had read every reply
//! before it on that stream, and whoever waited for one of those was to be answered by then as well. Nothing else
//! proves it: a reader that is cut off, or stopped, has not read either of the two.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Entry, Ledger};
use crate::history::{Outcome, Story};

/// Who is answered 504 so long after the reader went past his reply was forgotten, and not answered at that moment.
const FORGOTTEN: Duration = Duration::from_secs(1);

/// By ingress and stream: when each reply was written that reached its caller, and when that one was answered.
pub(super) struct Read<'a>(BTreeMap<(&'a str, &'a str), Vec<(u64, Duration)>>);

impl Ledger {
    /// All replies that reached their callers.
    pub(super) fn read_by<'a>(&'a self, stories: &BTreeMap<u64, Story<'a>>) -> Read<'a> {
        let mut read = BTreeMap::<_, Vec<_>>::new();
        for story in stories.values() {
            let ([sent], [end]) = (&story.sent[..], &story.ends[..]) else {
                continue;
            };
            let Outcome::Answer {
                status: 200,
                request_id: Some(id),
                ..
            } = end.outcome
            else {
                continue;
            };
            if let Some(first) = self.replies(id).first() {
                let place = (sent.target, &*first.stream);
                read.entry(place).or_default().push((first.at_ms, end.at));
            }
        }
        Read(read)
    }

    /// What is wrong if the caller of this entry was answered 504 and its reply was passed over.
    pub(super) fn passed_over(
        &self,
        entry: &Entry,
        story: &Story<'_>,
        read: &Read<'_>,
    ) -> Option<String> {
        let ([sent], [end]) = (&story.sent[..], &story.ends[..]) else {
            return None;
        };
        if end.outcome.status() != Some(504) {
            return None;
        }
        let id = entry.request.as_deref()?;
        let replies = self.replies(id).iter();
        let readable = replies.filter(|reply| reply.status == "ok" && !reply.may_be_missed);
        for reply in readable {
            let others = read.0.get(&(sent.target, &*reply.stream));
            let later = others.into_iter().flatten().any(|(written, answered)| {
                *written > reply.at_ms && *answered + FORGOTTEN <= end.at
            });
            if later {
                return Some(format!(
                    "was answered 504, and the reply to {id} was passed over: that ingress had answered with a later \
                     one of {} by then",
                    reply.stream
                ));
            }
        }
        None
    }
}

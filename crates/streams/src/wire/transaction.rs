//! Commands that Redis carries out as one.

use super::{WireError, answer::array, fault::checked, resp::Value};

/// The answers to the commands between `MULTI` and `EXEC`, whose answers are the first and the last of these; or why
/// Redis carried none of them out.
pub(super) fn carried_out(answers: Vec<Value>) -> Result<Result<Vec<Value>, WireError>, WireError> {
    let mut answers = answers.into_iter();
    let begun = answers.next().unwrap_or_default();
    let end = answers.next_back().unwrap_or_default();
    if matches!(begun, Value::Error(_)) {
        // No right to a transaction: they were carried out as they came.
        return Ok(Ok(answers.collect()));
    }
    if let Some(refusal) = answers.map(checked).find_map(Result::err) {
        return Ok(Err(refusal));
    }
    match checked(end) {
        Ok(answers) => Ok(Ok(array(answers)?)),
        // Redis took each of them and looks once more before it carries them out: memory may be full by then.
        Err(refusal) => Ok(Err(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn text(text: &'static str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn a_transaction_is_carried_out_or_refused_as_a_whole() {
        let (begun, queued) = (|| text("OK"), || text("QUEUED"));
        let answers = vec![begun(), queued(), Value::Array(vec![Value::Int(1)])];
        assert_eq!(carried_out(answers), Ok(Ok(vec![Value::Int(1)])));

        let oom = "OOM command not allowed";
        let abort = "EXECABORT Transaction discarded because of previous errors.";
        let refused = [Value::Error(oom.into()), Value::Error(abort.into())];
        let answers = [begun()].into_iter().chain(refused).collect();
        let refusal = WireError::new(Fault::OutOfMemory, oom);
        assert_eq!(carried_out(answers), Ok(Err(refusal)));
    }

    /// Memory ran out between the commands and their `EXEC`.
    #[test]
    fn a_refusal_at_the_end_is_one_as_well() {
        let abort = "EXECABORT Transaction discarded because of: OOM command not allowed";
        let answers = vec![text("OK"), text("QUEUED"), Value::Error(abort.into())];
        let refusal = WireError::new(Fault::OutOfMemory, abort);
        assert_eq!(carried_out(answers), Ok(Err(refusal)));
    }

    #[test]
    fn without_a_right_to_it_each_command_has_its_own_answer() {
        let no = || Value::Error("NOPERM this user has no permissions".into());
        let answers = vec![no(), Value::Int(1), no()];
        assert_eq!(carried_out(answers), Ok(Ok(vec![Value::Int(1)])));
    }
}

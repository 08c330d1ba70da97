//! Commands that Redis carries out as one.

use super::{WireError, entry::array, fault::checked, resp::Value};

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
    match answers.map(checked).find_map(Result::err) {
        Some(refusal) => Ok(Err(refusal)),
        None => Ok(Ok(array(checked(end)?)?)),
    }
}

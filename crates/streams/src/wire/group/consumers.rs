//! The consumers of the group: finding dead ones and deleting them.

use std::time::Duration;

use super::Group;
use crate::wire::{
    Connection, WireError,
    answer::{array, count, integer, text},
    fault::checked,
    resp::Commands,
};

/// Deletes a consumer unless something is pending for it; between the check and the deletion nothing
/// can be delivered to it, or those entries would be lost to the group.
///
/// KEYS\[1\] the request stream. ARGV\[1\] the group, ARGV\[2\] the consumer.
/// Returns 1 if the consumer is gone, 0 if something is pending for it.
const DELETE_CONSUMER: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then return 1 end
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1";

impl Group {
    /// Deletes this consumer, or a dead one, unless something is pending for it.
    pub(crate) async fn delete_consumer(
        &self,
        connection: &mut Connection,
        consumer: &str,
    ) -> Result<bool, WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("EVAL")
            .arg(DELETE_CONSUMER)
            .arg(1_u64)
            .arg(&self.names.requests)
            .arg(&self.names.group)
            .arg(consumer);
        Ok(integer(&checked(connection.one(commands).await?)?)? == 1)
    }

    /// The consumers that have nothing pending and were idle for at least `idle`.
    pub(crate) async fn idle_consumers(
        &self,
        connection: &mut Connection,
        idle: Duration,
    ) -> Result<Vec<String>, WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("XINFO")
            .arg("CONSUMERS")
            .arg(&self.names.requests)
            .arg(&self.names.group);
        let mut dead = Vec::new();
        for consumer in array(checked(connection.one(commands).await?)?)? {
            let (mut name, mut pending, mut idle_ms) = (None, 0, 0);
            let mut fields = array(consumer)?.into_iter();
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                match text(field)?.as_str() {
                    "name" => name = text(value).ok(),
                    "pending" => pending = count(&value)?,
                    "idle" => idle_ms = count(&value)?,
                    _ => {}
                }
            }
            if pending == 0 && u128::from(idle_ms) >= idle.as_millis() {
                // One whose name is no text was none of ours, and stays.
                dead.extend(name);
            }
        }
        Ok(dead)
    }
}

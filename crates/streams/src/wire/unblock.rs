//! Waking a read that waits on the server, from another connection.

use super::{Connection, WireError, answer::integer, fault::checked, resp::Commands};
use crate::error::Fault;

impl Connection {
    /// The id by which another connection can end a read of this one that waits; none where the ACL forbids to ask. A
    /// drain then cannot wake the read and cuts it after a while.
    pub(crate) async fn client_id(&mut self) -> Result<Option<i64>, WireError> {
        let mut commands = Commands::new();
        commands.cmd("CLIENT").arg("ID");
        match checked(self.one(commands).await?) {
            Ok(id) => integer(&id).map(Some),
            Err(error) if error.fault == Fault::NoPermission => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the read of another connection as if its time were up.
    pub(crate) async fn unblock(&mut self, client_id: i64) -> Result<(), WireError> {
        let mut commands = Commands::new();
        commands
            .cmd("CLIENT")
            .arg("UNBLOCK")
            .arg(client_id.to_string());
        checked(self.one(commands).await?).map(drop)
    }
}

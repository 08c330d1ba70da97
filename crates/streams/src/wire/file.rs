//! Files that the settings name. They are read anew for each connection, so that what was rotated is picked up.

use std::path::Path;

use super::WireError;
use crate::error::Fault;

/// The bytes of a file; `fault` is what it means where there are none.
pub(super) async fn read(file: &Path, fault: Fault) -> Result<Vec<u8>, WireError> {
    tokio::fs::read(file).await.map_err(|error| {
        WireError::new(fault, format!("{} cannot be read: {error}", file.display()))
    })
}

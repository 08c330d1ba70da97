//! What a run found, for people and for programs.

pub(crate) mod page;
pub(crate) mod table;

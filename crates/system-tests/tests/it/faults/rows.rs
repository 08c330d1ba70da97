//! The table of faults: what goes wrong, by number, and the tests that hold it. A room for each kind of fault, as in
//! RESILIENCE.md.

mod line;
mod machine;
mod processes;
mod redis;

/// Every row, room by room.
pub(super) const ROWS: [&[Row]; 4] = [&processes::ROWS, &redis::ROWS, &line::ROWS, &machine::ROWS];

/// A fault.
pub(super) struct Row {
    pub(super) number: u8,
    pub(super) fault: &'static str,
    /// The tests that show what becomes of it, with their crates.
    pub(super) held_by: &'static [&'static str],
}

const fn row(number: u8, fault: &'static str, held_by: &'static [&'static str]) -> Row {
    Row {
        number,
        fault,
        held_by,
    }
}

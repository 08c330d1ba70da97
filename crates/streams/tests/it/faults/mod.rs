//! What Redis can do to the engine, and what the engine makes of it.
//!
//! In each test one client and one worker are well, something goes wrong, callers go on asking, it ends, and
//! both must be well again without a restart. While it lasts nobody runs hot (counted in commands and
//! connections) and the log says what it is, once per part and ten seconds.

mod away;
mod failover;
mod lost;
mod refused;
mod withdrawals;

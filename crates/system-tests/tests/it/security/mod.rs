//! What SECURITY.md promises of the running programs: an encrypted way to Redis, secrets that stay secret, answers that
//! no browser takes for a page, metrics that nobody can blow up. The rights in Redis are those of every system test.

mod encrypted;
mod headers;
mod labels;
mod secrets;

//! What SECURITY.md promises of the running programs: an encrypted way to Redis, secrets that stay secret, answers that
//! no browser takes for a page, metrics that nobody can blow up. That the rights in Redis suffice is seen by all tests
//! that run under them (docs/acl.md).

mod encrypted;
mod headers;
mod labels;
mod secrets;

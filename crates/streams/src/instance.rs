//! What one start of a client or worker is called.

use uuid::Uuid;

/// A name for this client or worker that no other start of it shares, so that a dead one's work is
/// never mistaken for a living one's. The host's name makes it readable.
pub(crate) fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(63)
        .collect();
    let unique = Uuid::now_v7().simple().to_string();
    if host.is_empty() {
        unique
    } else {
        format!("{host}-{unique}")
    }
}

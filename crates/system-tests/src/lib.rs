//! Both services as real processes against a real Redis.

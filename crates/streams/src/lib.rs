//! Request/reply over Redis Streams.

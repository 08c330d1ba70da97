//! The terminals and the weather providers.

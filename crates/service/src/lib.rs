//! What an HTTP service process is made of: settings, accept loop with time limits, admin routes.

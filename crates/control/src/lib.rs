//! Decisions: filters, command guard, interlocks, timers and fail-safes. Sans-IO.

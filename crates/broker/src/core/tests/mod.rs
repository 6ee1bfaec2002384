//! The core, stepped through a simulated world.

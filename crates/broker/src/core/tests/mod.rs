//! The core, stepped through a simulated world.

mod aliases;
mod announced;
mod crashes;
mod delivery;
mod held;
mod hostile;
mod kept;
mod properties;
mod replay;
mod restarts;
mod rights;
mod sessions;
mod shared;
mod views;
mod wills;
mod world;

//! A simulated board: a small believable house, repeatable by its seed.

mod board;
pub mod chips;
mod day;
mod demo;
mod edges;
mod house;
mod life;
mod lines;
mod mischief;
mod plan;
mod probes;
mod pwm;
mod script;
mod senses;
mod terminal;
mod train;
mod warmth;
mod wired;
mod world;

pub use board::SimulatedBoard;
pub use demo::demo_house;
pub use house::{Climate, House};
pub use mischief::{MAX_SLOWNESS, Mischief, NoMischief};
pub use terminal::Terminal;
pub use train::USUAL_QUARTER;
pub use warmth::MOST_WARMTH;

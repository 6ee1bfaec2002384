//! What a board gives: lines to read and to drive, buses, and sensors that only it can give.
//!
//! Levels are logical everywhere: the backend applies the active level, as the kernel's line interface does. Buses are
//! blocking, in the shape of embedded-hal, since that is what drivers speak: each is owned by one thread (`crate::buses`).

mod board;
mod buses;
mod lines;
mod pwm;
mod sensors;

pub use board::Board;
pub use buses::{
    BusError, BusFault, BusInfo, BusKind, I2cBackend, KernelPlaces, SerialBackend, SerialRequest, SpiBackend,
    SpiPlace, SpiRequest,
};
pub use lines::{
    ActiveLevel, Direction, Edge, InputLine, InputRequest, Level, LineError, LineInfo, LineNumber,
    OutputLine, OutputRequest, Pin, Pull,
};
pub use pwm::{Duty, PwmOutput, PwmRequest};
pub use sensors::{ReadError, Sample, SensorError, SensorProperty, SensorSource};

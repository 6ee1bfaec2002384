//! Pins, buses and drivers: a real board, a simulated board, and the machine's own sensors.

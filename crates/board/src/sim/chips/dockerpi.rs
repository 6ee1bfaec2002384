//! 52Pi DockerPi 4 Channel Relay (EP-0099; the register map of its wiki page): registers 1 to 4 are its relays, 0 is off and
//! any other value on. Nothing else is told of it.

use super::ByteRegisters;

#[derive(Default)]
pub(super) struct DockerPi {
    relays: [u8; 4],
}

impl DockerPi {
    fn relay(&mut self, register: u8) -> Option<&mut u8> {
        self.relays.get_mut(usize::from(register.wrapping_sub(1)))
    }
}

impl ByteRegisters for DockerPi {
    fn load(&mut self, register: u8) -> u8 {
        self.relay(register).copied().unwrap_or_default()
    }

    fn store(&mut self, register: u8, value: u8) {
        if let Some(relay) = self.relay(register) {
            *relay = value;
        }
    }

    fn lose_power(&mut self) {
        self.relays = [0; 4];
    }

    fn lines(&self) -> Option<u32> {
        let on = self.relays.iter().enumerate().filter(|(_, value)| **value != 0);
        Some(on.map(|(line, _)| 1 << line).sum())
    }
}

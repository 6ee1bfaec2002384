//! I²C buses that do not come out at the header, by what the kernel calls their adapters. Numbers say nothing: 2 is a screen's
//! bus on a Pi 3 and the header's second one on a Pi 4 with a kernel of kernel.org.

/// What a bus belongs to, in words that fit after "it belongs to".
const SCREEN: &str = "a screen's connector (HDMI)";
const MAINBOARD: &str = "the mainboard (memory modules, voltage regulators)";

/// Adapters that have exactly this name.
const NAMES: [(&str, &str); 5] = [
    // BSC2, which the processor keeps for HDMI (BCM2835 ARM Peripherals, section 3.1; bcm283x.dtsi, node `i2c2`).
    ("bcm2835 (i2c@7e805000)", SCREEN),
    // Both connectors of the Pi 4 (bcm2711.dtsi, nodes `ddc0` and `ddc1`; the driver i2c-brcmstb takes the device's name).
    ("fef04500.i2c", SCREEN),
    ("fef09500.i2c", SCREEN),
    // Both of the Pi 5 (bcm2712.dtsi, the same nodes).
    ("107d508200.i2c", SCREEN),
    ("107d508280.i2c", SCREEN),
];

/// Adapters whose name begins so: those of graphics processors and mainboards of other machines, as their drivers in
/// Linux call them (`drivers/gpu/drm` and `drivers/i2c/busses`).
const BEGINNINGS: [(&str, &str); 11] = [
    ("i915 gmbus", SCREEN),
    ("AUX ", SCREEN),
    ("DPDDC", SCREEN),
    ("DPMST", SCREEN),
    ("AMDGPU ", SCREEN),
    ("Radeon ", SCREEN),
    ("nvkm-", SCREEN),
    ("NVIDIA ", SCREEN),
    ("DesignWare HDMI", SCREEN),
    ("SMBus I801", MAINBOARD),
    ("SMBus PIIX4", MAINBOARD),
];

/// What the bus of an adapter belongs to when it is not one that people wire things to.
pub(crate) fn owner_of_bus(adapter: &str) -> Option<&'static str> {
    let by_name = NAMES.iter().find(|(name, _)| *name == adapter);
    let found = by_name.or_else(|| BEGINNINGS.iter().find(|(beginning, _)| adapter.starts_with(beginning)));
    found.map(|(_, owner)| *owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names as `i2cdetect -l` shows them on a Pi 3, a Pi 4 with both kernels, a Pi 5, and a laptop.
    #[test]
    fn the_header_is_told_from_screens() {
        for aside in ["bcm2835 (i2c@7e805000)", "fef04500.i2c", "107d508280.i2c", "i915 gmbus dpb"] {
            assert_eq!(owner_of_bus(aside), Some(SCREEN), "{aside}");
        }
        assert_eq!(owner_of_bus("SMBus I801 adapter at efa0"), Some(MAINBOARD));
        let header = [
            "bcm2835 (i2c@7e804000)",
            "bcm2835 (i2c@7e205000)",
            "Synopsys DesignWare I2C adapter",
            "i2c-1-mux (chan_id 0)",
            "300000002.i2c",
            "i2c-tiny-usb at bus 001 device 005",
            "",
        ];
        for adapter in header {
            assert_eq!(owner_of_bus(adapter), None, "{adapter}");
        }
    }
}

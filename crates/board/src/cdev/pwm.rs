//! Hardware PWM by sysfs (`Documentation/driver-api/pwm.rst` of the kernel).
//!
//! A signal goes on when its process ends, so what drives an output safe has to be told of PWM outputs too. The kernel
//! knows no owner of a channel here: two programs can set it, and the last one wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::boards::{PwmPin, Soc};
use crate::traits::{ActiveLevel, Duty, LineError, LineNumber, PwmOutput, PwmRequest};

/// Longest time that udev gets to give the files of a new channel to their group.
const EXPORT_LIMIT: Duration = Duration::from_millis(500);

/// How often the files are looked at until then.
const EXPORT_STEP: Duration = Duration::from_millis(10);

/// Most devices that make PWM signals which are looked at.
const MAX_CHIPS: usize = 64;

/// Which line each channel in use comes out at. Up to the Pi 4 two pins share a channel: with a heater at one and a fan
/// at the other, the fan's duty would be the heater's.
pub(super) type Channels = Arc<Mutex<BTreeMap<PathBuf, LineNumber>>>;

/// A channel that is in use, until this is dropped.
struct Claim {
    channels: Channels,
    channel: PathBuf,
}

impl Claim {
    fn new(channels: &Channels, channel: &Path, line: LineNumber) -> Result<Self, LineError> {
        let mut taken = channels.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get(channel) {
            Some(other) if *other != line => Err(LineError::Busy {
                line: line.into(),
                owner: format!("the PWM output at {other}, which shares its channel"),
            }),
            _ => {
                taken.insert(channel.to_owned(), line);
                Ok(Self { channels: channels.clone(), channel: channel.to_owned() })
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.channel);
    }
}

pub(super) fn open(
    sys: &Path,
    soc: Option<Soc>,
    request: &PwmRequest,
    channels: &Channels,
) -> Result<Box<dyn PwmOutput>, LineError> {
    let none = || LineError::NoPwm(request.line.into());
    let soc = soc.ok_or_else(none)?;
    let pin = soc.pwm_pins().iter().find(|pin| pin.line == request.line.number()).ok_or_else(none)?;
    let chip = chip_of(sys, soc.pwm_device()).ok_or_else(|| switched_off(request.line, pin))?;
    let claim = Claim::new(channels, &chip.join(format!("pwm{}", pin.channel)), request.line)?;
    let channel = export(&chip, pin.channel).map_err(|problem| failed(request.line, &problem))?;
    let (line, period, active) = (request.line, request.period, request.active);
    let output = SysfsPwm { line, channel, period, active, _claim: claim };
    output.begin(request.initial).map_err(|problem| failed(request.line, &problem))?;
    Ok(Box::new(output))
}

fn failed(line: LineNumber, problem: &str) -> LineError {
    LineError::Failed { line: line.into(), problem: problem.to_owned() }
}

/// The header has PWM, but its device is not there.
fn switched_off(line: LineNumber, pin: &PwmPin) -> LineError {
    let overlay = match pin.overlay_function {
        Some(function) => format!("dtoverlay=pwm,pin={},func={function}", pin.line),
        None => format!("dtoverlay=pwm,pin={}", pin.line),
    };
    failed(
        line,
        &format!(
            "its hardware PWM is switched off: write the line {overlay} into /boot/firmware/config.txt and restart the machine"
        ),
    )
}

/// The directory of the chip whose device has an address that ends like this.
fn chip_of(sys: &Path, device: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(sys.join("class/pwm")).ok()?;
    entries.flatten().take(MAX_CHIPS).map(|entry| entry.path()).find(|chip| {
        let target = std::fs::canonicalize(chip.join("device"));
        target.is_ok_and(|path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(device))
        })
    })
}

/// Makes the channel's directory appear, and waits until its files may be written.
fn export(chip: &Path, channel: u32) -> Result<PathBuf, String> {
    let directory = chip.join(format!("pwm{channel}"));
    if !directory.exists() {
        write(&chip.join("export"), &channel.to_string())?;
    }
    let mut waited = Duration::ZERO;
    loop {
        let may = rustix::fs::access(directory.join("duty_cycle"), rustix::fs::Access::WRITE_OK);
        match may {
            Ok(()) => return Ok(directory),
            Err(refusal) if waited >= EXPORT_LIMIT => return Err(may_not(&directory, &refusal.into())),
            Err(_) => {
                // Nothing tells of the change of a group in sysfs. It is waited for once after each start of the machine.
                let step = rustix::time::Timespec { tv_sec: 0, tv_nsec: EXPORT_STEP.subsec_nanos().into() };
                let _ = rustix::thread::nanosleep(&step);
                waited += EXPORT_STEP;
            }
        }
    }
}

fn may_not(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => format!(
            "{path} may not be written: the user must be in the group `gpio`, and the service must be allowed to write below /sys ({error})"
        ),
        _ => format!("{path}: {error}"),
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| may_not(path, &error))
}

fn read(path: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(path).map_err(|error| may_not(path, &error))?;
    text.trim().parse().map_err(|_| format!("{}: `{}` is no number", path.display(), text.trim()))
}

/// One channel.
struct SysfsPwm {
    line: LineNumber,
    channel: PathBuf,
    period: Duration,
    active: ActiveLevel,
    _claim: Claim,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl SysfsPwm {
    /// How long the pin is high in each period. The polarity of the hardware is left alone: not every driver can turn it,
    /// and turning it needs a stop.
    fn high_time(&self, duty: Duty) -> u64 {
        let (on, period) = (nanoseconds(duty.of(self.period)), nanoseconds(self.period));
        match self.active {
            ActiveLevel::High => on,
            ActiveLevel::Low => period.saturating_sub(on),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.channel.join(name)
    }

    /// Sets the period and the first duty, and starts. A channel that runs with this period already, from before a
    /// restart, only gets its duty: nothing flickers.
    fn begin(&self, duty: Duty) -> Result<(), String> {
        let period = nanoseconds(self.period);
        let high = self.high_time(duty).to_string();
        let (runs, has) = (read(&self.file("enable")).unwrap_or(0), read(&self.file("period")).unwrap_or(0));
        if has != period {
            // The kernel takes no period that is shorter than the time it has to be high. Meanwhile the output is as far
            // off as both periods allow, and off when the kernel refuses the new one.
            let off = |period: u64| match self.active {
                ActiveLevel::High => "0".to_owned(),
                ActiveLevel::Low => period.to_string(),
            };
            if has != 0 {
                write(&self.file("duty_cycle"), &off(has.min(period)))?;
            }
            if let Err(refused) = write(&self.file("period"), &period.to_string()) {
                if has != 0 {
                    write(&self.file("duty_cycle"), &off(has))?;
                }
                return Err(refused);
            }
        }
        write(&self.file("duty_cycle"), &high)?;
        if runs == 0 {
            write(&self.file("enable"), "1")?;
        }
        Ok(())
    }
}

#[async_trait]
impl PwmOutput for SysfsPwm {
    async fn set(&mut self, duty: Duty) -> Result<(), LineError> {
        let high = self.high_time(duty).to_string();
        write(&self.file("duty_cycle"), &high).map_err(|problem| failed(self.line, &problem))
    }

    async fn read_back(&mut self) -> Result<Duty, LineError> {
        let measured = || {
            let (period, high) = (read(&self.file("period"))?, read(&self.file("duty_cycle"))?);
            // Switched off by somebody else, the pin is low.
            let high = if read(&self.file("enable"))? == 0 { 0 } else { high };
            let on = match self.active {
                ActiveLevel::High => high,
                ActiveLevel::Low => period.saturating_sub(high),
            };
            let full = u64::from(Duty::FULL.ten_thousandths());
            let share = on.saturating_mul(full).saturating_add(period / 2).checked_div(period).unwrap_or(0);
            Ok(Duty::from_ten_thousandths(u16::try_from(share).unwrap_or(u16::MAX)))
        };
        measured().map_err(|problem: String| failed(self.line, &problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of two PWM devices, as a Pi 5 has them: one for the header, one for the fan.
    fn sysfs(device: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (chip, name) in [("pwmchip0", "1f0009c000.pwm"), ("pwmchip3", device)] {
            let target = root.path().join("devices").join(name);
            std::fs::create_dir_all(&target).unwrap();
            let chip = root.path().join("class/pwm").join(chip);
            for channel in 0..4 {
                std::fs::create_dir_all(chip.join(format!("pwm{channel}"))).unwrap();
                for file in ["enable", "period", "duty_cycle"] {
                    std::fs::write(chip.join(format!("pwm{channel}/{file}")), "0\n").unwrap();
                }
            }
            std::os::unix::fs::symlink(&target, chip.join("device")).unwrap();
        }
        root
    }

    fn request(line: u32, active: ActiveLevel, initial: u16) -> PwmRequest {
        PwmRequest {
            line: LineNumber::new(line),
            active,
            period: Duration::from_millis(1),
            initial: Duty::from_ten_thousandths(initial),
        }
    }

    fn values(root: &Path, channel: u32) -> [u64; 3] {
        let directory = root.join(format!("class/pwm/pwmchip3/pwm{channel}"));
        ["period", "duty_cycle", "enable"].map(|file| read(&directory.join(file)).unwrap())
    }

    #[tokio::test]
    async fn the_headers_channel_is_found_set_and_read_back() {
        let root = sysfs("1f00098000.pwm");
        let wish = request(18, ActiveLevel::High, 2_500);
        let mut output = open(root.path(), Some(Soc::Bcm2712), &wish, &Channels::default()).unwrap();
        assert_eq!(values(root.path(), 2), [1_000_000, 250_000, 1], "line 18 is channel 2 of the RP1");
        assert_eq!(output.read_back().await, Ok(Duty::from_ten_thousandths(2_500)));
        output.set(Duty::FULL).await.unwrap();
        assert_eq!(values(root.path(), 2), [1_000_000, 1_000_000, 1]);
        assert_eq!(output.read_back().await, Ok(Duty::FULL));
    }

    #[tokio::test]
    async fn an_active_low_output_is_off_when_the_pin_is_high_all_the_time() {
        let root = sysfs("fe20c000.pwm");
        let mut output =
            open(root.path(), Some(Soc::Bcm2711), &request(13, ActiveLevel::Low, 0), &Channels::default())
                .unwrap();
        assert_eq!(values(root.path(), 1), [1_000_000, 1_000_000, 1]);
        assert_eq!(output.read_back().await, Ok(Duty::OFF));
        output.set(Duty::from_ten_thousandths(1_000)).await.unwrap();
        assert_eq!(values(root.path(), 1), [1_000_000, 900_000, 1]);
        assert_eq!(output.read_back().await, Ok(Duty::from_ten_thousandths(1_000)));
    }

    /// A signal that goes on from before a restart is not stopped on the way.
    #[test]
    fn a_channel_that_runs_only_gets_its_duty() {
        let root = sysfs("fe20c000.pwm");
        let channel = root.path().join("class/pwm/pwmchip3/pwm0");
        for (file, text) in [("enable", "1"), ("period", "1000000"), ("duty_cycle", "700000")] {
            std::fs::write(channel.join(file), text).unwrap();
        }
        drop(
            open(root.path(), Some(Soc::Bcm2711), &request(12, ActiveLevel::High, 0), &Channels::default())
                .unwrap(),
        );
        assert_eq!(values(root.path(), 0), [1_000_000, 0, 1]);
    }

    #[test]
    fn what_cannot_be_had_says_why() {
        let said = |soc, line| {
            let root = sysfs("3f20c000.pwm");
            open(root.path(), soc, &request(line, ActiveLevel::High, 0), &Channels::default()).err()
        };
        let line = |number| LineNumber::new(number).into();
        assert_eq!(said(None, 18), Some(LineError::NoPwm(line(18))));
        assert_eq!(said(Some(Soc::Bcm2837), 17), Some(LineError::NoPwm(line(17))));
        let off = said(Some(Soc::Bcm2712), 18).unwrap().to_string();
        assert!(off.contains("dtoverlay=pwm,pin=18 into"), "{off}");
        let empty = tempfile::tempdir().unwrap();
        let off =
            open(empty.path(), Some(Soc::Bcm2711), &request(19, ActiveLevel::High, 0), &Channels::default())
                .err()
                .unwrap();
        assert!(off.to_string().contains("dtoverlay=pwm,pin=19,func=2"), "{off}");
    }

    /// A heater at line 12 and a fan at 18 of a Pi 4 would have had one duty.
    #[test]
    fn two_pins_of_one_channel_are_refused() {
        let root = sysfs("fe20c000.pwm");
        let channels = Channels::default();
        let soc = Some(Soc::Bcm2711);
        let heater = open(root.path(), soc, &request(12, ActiveLevel::High, 0), &channels).unwrap();
        let refused = open(root.path(), soc, &request(18, ActiveLevel::High, 0), &channels).err().unwrap();
        assert!(refused.to_string().contains("GPIO 12"), "{refused}");
        drop(heater);
        open(root.path(), soc, &request(18, ActiveLevel::High, 0), &channels).unwrap();
    }
}

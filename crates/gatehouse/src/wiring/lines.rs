//! Lines and thermometers in the words of the API.

use gatehouse_board::kernel::SurveyedProbe;
use gatehouse_board::pinout::{self, LineHolder, PinoutLine, UseKind, WarningKind};
use gatehouse_board::scan::suggested_probe;
use gatehouse_board::traits::{ActiveLevel, Direction, Pull};
use gatehouse_dashboard::wire::{
    BoardLine, LineDirectionWord, LineHolderWord, LineUse, LineUseWord, LineWarning, LineWarningWord, Probe,
    PullWord, VoltageWord,
};

/// A line with all that is known of it.
pub(super) fn board_line(line: PinoutLine) -> BoardLine {
    let PinoutLine { info, device, .. } = line;
    let (device, active) = device.map_or((None, None), |(id, active)| (Some(id.to_string()), active));
    BoardLine {
        line: info.line.number(),
        header_pin: line.header_pin,
        name: info.name,
        owner: info.consumer,
        holder: match line.holder {
            LineHolder::Nobody => LineHolderWord::Nobody,
            LineHolder::Gateway => LineHolderWord::Gateway,
            LineHolder::Kernel => LineHolderWord::Kernel,
            LineHolder::Other => LineHolderWord::Other,
        },
        used_for: line.used_for.map(line_use),
        functions: line.functions.iter().map(|name| (*name).to_owned()).collect(),
        direction: match info.direction {
            Direction::Input => LineDirectionWord::Input,
            Direction::Output => LineDirectionWord::Output,
        },
        pull: info.pull.map(pull),
        power_on_pull: line.power_on.map(pull),
        pulled_up_by_board: line.is_pulled_up_by_board,
        fires_when_active: line.fires_when.into_iter().map(voltage).collect(),
        level: info.is_high.map(|is_high| if is_high { VoltageWord::High } else { VoltageWord::Low }),
        device,
        active: active.map(voltage),
        warnings: line.warnings.into_iter().map(warning).collect(),
    }
}

const fn pull(pull: Pull) -> PullWord {
    match pull {
        Pull::Up => PullWord::Up,
        Pull::Down => PullWord::Down,
        Pull::None => PullWord::None,
    }
}

const fn voltage(active: ActiveLevel) -> VoltageWord {
    match active {
        ActiveLevel::High => VoltageWord::High,
        ActiveLevel::Low => VoltageWord::Low,
    }
}

fn line_use(used: pinout::LineUse) -> LineUse {
    let kind = match used.kind {
        UseKind::I2c => LineUseWord::I2c,
        UseKind::Spi => LineUseWord::Spi,
        UseKind::Serial => LineUseWord::Serial,
        UseKind::OneWire => LineUseWord::OneWire,
        UseKind::Pwm => LineUseWord::Pwm,
        UseKind::Sound => LineUseWord::Sound,
        UseKind::Other => LineUseWord::Other,
    };
    LineUse { kind, name: used.name, function: used.function }
}

fn warning(warning: pinout::LineWarning) -> LineWarning {
    let kind = match warning.kind {
        WarningKind::Taken => LineWarningWord::Taken,
        WarningKind::OnBus => LineWarningWord::OnBus,
        WarningKind::Shared => LineWarningWord::Shared,
        WarningKind::FiresAtPowerOn => LineWarningWord::FiresAtPowerOn,
        WarningKind::FiveVolts => LineWarningWord::FiveVolts,
        WarningKind::Console => LineWarningWord::Console,
        WarningKind::PluggedOn => LineWarningWord::PluggedOn,
        WarningKind::FiveVoltBus => LineWarningWord::FiveVoltBus,
    };
    LineWarning {
        kind,
        note: warning.is_note,
        device: warning.device.map(|id| id.to_string()),
        other: warning.other,
        better: warning.better.iter().map(|line| line.number()).collect(),
        boot_line: warning.boot_line,
    }
}

/// A thermometer on 1-Wire.
pub(super) fn probe(found: &SurveyedProbe) -> Probe {
    let (celsius, problem) = match &found.outcome {
        Ok((celsius, _)) => (Some(*celsius), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Probe {
        id: found.id.to_string(),
        model: found.id.model().unwrap_or_default().to_owned(),
        device: found.device.as_ref().map(ToString::to_string),
        celsius,
        problem,
        at: found.at,
        configuration: suggested_probe(found.id.as_str()),
    }
}

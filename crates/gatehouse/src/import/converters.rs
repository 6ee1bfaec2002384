//! mqtt-io's converters from analogue to digital. Several of its modules may be one chip, each with an input of its own.

use super::yaml::Entry;

/// A chip, out of one or several modules.
pub(super) struct Converter<'v> {
    /// The first module that speaks of it.
    pub(super) module: Entry<'v>,
    pub(super) name: String,
    /// Our driver, or why there is none.
    pub(super) driver: Result<&'static str, String>,
    /// Its connection and settings.
    pub(super) lines: String,
    /// What reads it, and our value that says the same, if one does.
    pub(super) inputs: Vec<(Entry<'v>, Option<String>)>,
}

/// Whether a sensor module is one of them.
pub(super) fn is_one(module: Entry<'_>) -> bool {
    matches!(module.text("module").as_deref(), Some("ads1x15" | "mcp3008" | "mcp3xxx"))
}

/// All of a configuration, in the order of their first modules.
pub(super) fn of(root: Entry<'_>) -> Vec<Converter<'_>> {
    let mut converters = Vec::new();
    let mut seen = Vec::new();
    for module in root.list("sensor_modules").filter(|module| is_one(*module)) {
        let place = place(module);
        if seen.contains(&place) {
            continue;
        }
        let all: Vec<_> = root
            .list("sensor_modules")
            .filter(|other| is_one(*other) && self::place(*other) == place)
            .collect();
        seen.push(place);
        let name = module.text("name").unwrap_or_default();
        let inputs = |module: Entry<'_>| {
            let name = module.text("name");
            root.list("sensor_inputs").filter(move |input| input.text("module") == name)
        };
        let all: Vec<_> =
            all.into_iter().map(|module| (module, inputs(module).collect::<Vec<_>>())).collect();
        converters.push(if module.text("module").as_deref() == Some("ads1x15") {
            on_i2c(module, name, &all)
        } else {
            on_spi(module, name, &all)
        });
    }
    converters
}

/// Where a chip is: bus and address, or SPI and its select.
fn place(module: Entry<'_>) -> (bool, u32, u32) {
    if module.text("module").as_deref() == Some("ads1x15") {
        return (true, module.whole("i2c_bus_num").unwrap_or(1), module.whole("chip_addr").unwrap_or(0x48));
    }
    let select = ["spi_device", "chip_addr"].into_iter().find_map(|key| module.whole(key));
    (false, module.whole("spi_port").unwrap_or(0), select.unwrap_or(0))
}

fn every(inputs: &[(Entry<'_>, Option<String>)]) -> String {
    let shortest =
        inputs.iter().filter_map(|(input, _)| input.number("interval")).fold(f64::INFINITY, f64::min);
    let every = if shortest.is_finite() { shortest.clamp(1.0, 86_400.0) } else { 60.0 };
    format!("every = \"{every:.0}s\"\n")
}

/// Modules of one chip, each with what reads it.
type Modules<'v> = [(Entry<'v>, Vec<Entry<'v>>)];

fn on_i2c<'v>(module: Entry<'v>, name: String, all: &Modules<'v>) -> Converter<'v> {
    let driver = if module.text("type").as_deref() == Some("ADS1015") { "ads1015" } else { "ads1115" };
    let (_, bus, address) = place(module);
    let full_scale = match module.number("gain").unwrap_or(1.0) {
        gain if gain < 1.0 => "6.144",
        gain if gain < 2.0 => "4.096",
        gain if gain < 4.0 => "2.048",
        gain if gain < 8.0 => "1.024",
        gain if gain < 16.0 => "0.512",
        _ => "0.256",
    };
    let mut lines =
        format!("bus = \"i2c-{bus}\"\naddress = 0x{address:02x}\nfull_scale = \"{full_scale}\"\n");
    let inputs: Vec<_> = all.iter().flat_map(|(_, inputs)| inputs.iter().copied()).collect();
    let pin = |input: &Entry<'_>| input.whole("pin").unwrap_or(0);
    for unused in (0..4).filter(|number| !inputs.iter().any(|input| pin(input) == *number)) {
        lines.push_str(&format!("a{unused} = \"off\"\n"));
    }
    let inputs: Vec<_> = inputs
        .into_iter()
        .map(|input| {
            let is_voltage = input.text("type").as_deref() == Some("voltage");
            (input, is_voltage.then(|| format!("a{}", pin(&input))))
        })
        .collect();
    lines.push_str(&every(&inputs));
    Converter { module, name, driver: Ok(driver), lines, inputs }
}

/// Our driver for one of its types, and how many inputs that can be chosen it has.
fn kind(module: Entry<'_>) -> Option<(&'static str, u32)> {
    if module.text("module").as_deref() == Some("mcp3008") {
        return Some(("mcp3008", 8));
    }
    Some(match module.text("type")?.to_uppercase().as_str() {
        "MCP3001" => ("mcp3001", 0),
        "MCP3002" => ("mcp3002", 2),
        "MCP3004" => ("mcp3004", 4),
        "MCP3008" => ("mcp3008", 8),
        "MCP3201" => ("mcp3201", 0),
        "MCP3202" => ("mcp3202", 2),
        "MCP3204" => ("mcp3204", 4),
        "MCP3208" => ("mcp3208", 8),
        "MCP3301" => ("mcp3301", 0),
        "MCP3302" => ("mcp3302", 4),
        "MCP3304" => ("mcp3304", 8),
        _ => return None,
    })
}

fn on_spi<'v>(module: Entry<'v>, name: String, all: &Modules<'v>) -> Converter<'v> {
    let (_, port, select) = place(module);
    let reference = module.number("max_voltage").unwrap_or(3.3);
    let mut lines = format!("bus = \"spi-{port}.{select}\"\nreference = {reference:?}\n");
    let inputs: Vec<_> =
        all.iter().flat_map(|(_, inputs)| inputs.iter().map(|input| (*input, None))).collect();
    let driver = match kind(module) {
        Some((driver, count)) => {
            for number in 0..count {
                if let Some(word) = how(number, all) {
                    lines.push_str(&format!("ch{number} = \"{word}\"\n"));
                }
            }
            Ok(driver)
        }
        None => Err(format!(
            "there is no {} that is served",
            module.text("type").unwrap_or_else(|| "converter".to_owned())
        )),
    };
    lines.push_str(&every(&inputs));
    Converter { module, name, driver, lines, inputs }
}

/// How an input of a chip is used, if otherwise than against ground. `mcp3xxx` has its input at the module, `mcp3008` at
/// what reads it, as `CH3` or `DF3`.
fn how(number: u32, all: &Modules<'_>) -> Option<String> {
    let uses = all.iter().flat_map(|(module, inputs)| {
        let own = (module.text("module").as_deref() == Some("mcp3xxx"))
            .then(|| (module.whole("channel").unwrap_or(0), module.flag("differential")));
        let named = inputs.iter().filter_map(move |input| {
            if own.is_some() {
                return None;
            }
            let channel = input.text("channel").unwrap_or_else(|| "CH0".to_owned());
            let channel_number = channel.get(2..).and_then(|digits| digits.parse().ok())?;
            Some((channel_number, channel.starts_with("DF")))
        });
        own.into_iter().chain(named).collect::<Vec<_>>()
    });
    let uses: Vec<_> = uses.filter(|(channel, _)| *channel == number).collect();
    match uses.as_slice() {
        [] => Some("off".to_owned()),
        [(_, true), ..] => Some(format!("minus-ch{}", number ^ 1)),
        [(_, false), ..] => None,
    }
}

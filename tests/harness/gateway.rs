//! A running gateway with its data directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::binary;
use crate::http::Browser;
use crate::phone::Phone;
use crate::process::{Finished, Process};
use crate::wait::LIMIT;

/// The promise of the product: a stop takes at most this long (design: "a second signal, or 15 s, ends it at once").
pub const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The code with which the gateway asks its service manager to be started again.
const RESTART_CODE: i32 = 75;

/// The administrator that [`Gateway::administrator`] makes.
pub const ADMINISTRATOR: &str = "ana";

/// The administrator's password.
pub const PASSWORD: &str = "a lamp in the window";

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// How a gateway is to be started.
#[derive(Clone, Debug)]
pub struct Setup {
    demo: bool,
    data: Arc<TempDir>,
    /// Nothing where it shall find one itself.
    mqtt: Option<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// The demonstration: the simulated house and this machine's own sensors.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    pub fn demo() -> Self {
        Self {
            demo: true,
            data: Arc::new(TempDir::with_prefix("gatehouse-").expect("a temporary directory can be made")),
            mqtt: Some("127.0.0.1:0".to_owned()),
            environment: Vec::new(),
        }
    }

    /// The simulated board with the devices of this configuration.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    pub fn simulated(toml: &str) -> Self {
        Self { demo: true, ..Self::configured(toml) }
    }

    /// A gateway with this configuration.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    pub fn configured(toml: &str) -> Self {
        let setup = Self { demo: false, ..Self::demo() };
        std::fs::write(setup.configuration(), toml).expect("the configuration can be written");
        setup
    }

    /// Its data directory.
    pub fn data_directory(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// Where its configuration is.
    pub fn configuration(&self) -> PathBuf {
        self.data.path().join("gatehouse.toml")
    }

    /// Listens for MQTT on this address instead of one that is free.
    #[must_use]
    pub fn mqtt(mut self, address: &str) -> Self {
        self.mqtt = Some(address.to_owned());
        self
    }

    /// Names no address for MQTT, as the service does: the broker is on the usual port of all addresses, or near it. Only a
    /// network of its own keeps it from the ports of others.
    #[must_use]
    pub fn without_mqtt_address(self) -> Self {
        Self { mqtt: None, ..self }
    }

    /// Starts it with this environment variable, as a service manager would.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a user before the start, as a script would.
    ///
    /// # Panics
    /// When the command line refuses.
    #[must_use]
    pub fn with_user(self, name: &str, role: &str, password: &str) -> Self {
        let directory = self.data_directory();
        let directory = directory.to_string_lossy();
        let arguments =
            ["user", "add", name, "--role", role, "--password-stdin", "--data-dir", directory.as_ref()];
        let added = command_line(&arguments, &format!("{password}\n"));
        assert_eq!(added.code, Some(0), "{added:?}");
        self
    }

    /// Calls `gatehouse` with these arguments for its data, in the environment of the gateway.
    ///
    /// # Panics
    /// When it does not end.
    pub fn command_line(&self, arguments: &[&str], input: &str) -> Finished {
        let mut command = Command::new(binary::path());
        command.args(arguments).arg("--data-dir").arg(self.data_directory());
        clean_environment(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::run(&mut command, input, LIMIT)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary::path());
        command.arg("run").arg("--data-dir").arg(self.data_directory());
        command.args(["--http", "127.0.0.1:0"]);
        if let Some(mqtt) = &self.mqtt {
            command.args(["--mqtt", mqtt]);
        }
        if self.demo {
            command.arg("--demo");
        }
        if !self.demo || self.configuration().exists() {
            command.arg("--config").arg(self.configuration());
        }
        clean_environment(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the gateway and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn start(self) -> Gateway {
        let process = Process::start(&mut self.command(), "");
        let is_ready = |line: &String| (line.trim() == "Ready.").then_some(());
        if let Err(complaint) = process.stdout().try_wait_after(0, LIMIT, is_ready) {
            panic!("waited for `Ready.`, but {complaint}\n{}", process.words());
        }
        let lines = process.stdout().all();
        let dashboard = value_of(&lines, "Dashboard:").and_then(|address| {
            address.strip_prefix("http://")?.trim_end_matches('/').parse::<SocketAddr>().ok()
        });
        let mqtt = value_of(&lines, "MQTT:").and_then(|address| address.parse::<SocketAddr>().ok());
        let https = value_of(&lines, "With TLS:").and_then(|address| {
            address.strip_prefix("https://")?.trim_end_matches('/').parse::<SocketAddr>().ok()
        });
        let mqtts = value_of(&lines, "MQTT (TLS):").and_then(|address| address.parse::<SocketAddr>().ok());
        let demo_user = value_of(&lines, "MQTT user:").and_then(|rest| {
            let (user, password) = rest.split_once("password:")?;
            Some(Login { user: user.trim().to_owned(), password: password.trim().to_owned() })
        });
        Gateway {
            setup_code: value_of(&lines, "Set-up code:"),
            dashboard: dashboard.unwrap_or_else(|| panic!("no `Dashboard:` line in {lines:#?}")),
            mqtt: mqtt.unwrap_or_else(|| panic!("no `MQTT:` line in {lines:#?}")),
            https,
            mqtts,
            demo_user,
            process,
            setup: self,
            tolerated: Vec::new(),
            ended: false,
        }
    }

    /// Starts the gateway and kills it as a power cut would, this long after; gives whether it was ready by then.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill_while_starting(&self, after: Duration) -> bool {
        let mut process = Process::start(&mut self.command(), "");
        let is_ready = |line: &String| (line.trim() == "Ready.").then_some(());
        let was_ready = process.stdout().try_wait_after(0, after, is_ready).is_ok();
        process.kill();
        process.wait(LIMIT);
        was_ready
    }

    /// Starts the gateway, which must end by itself.
    ///
    /// # Panics
    /// When it goes on running.
    pub fn start_in_vain(&self) -> Finished {
        self.start_in_vain_with(&[])
    }

    /// Starts the gateway with further arguments, with which it must end by itself.
    ///
    /// # Panics
    /// When it goes on running.
    pub fn start_in_vain_with(&self, arguments: &[&str]) -> Finished {
        Process::run(self.command().args(arguments), "", LIMIT)
    }
}

fn value_of(lines: &[String], label: &str) -> Option<String> {
    lines.iter().find_map(|line| line.trim().strip_prefix(label)).map(|rest| rest.trim().to_owned())
}

/// Calls `gatehouse` with these arguments and this standard input.
///
/// # Panics
/// When it does not end.
pub fn command_line(arguments: &[&str], input: &str) -> Finished {
    let mut command = Command::new(binary::path());
    command.args(arguments);
    clean_environment(&mut command);
    Process::run(&mut command, input, LIMIT)
}

/// Calls `gatehouse` with these arguments where other programs of the same name as the machine's come first.
///
/// # Panics
/// When it does not end.
pub fn command_line_with_programs(arguments: &[&str], programs: &Path) -> Finished {
    let mut command = Command::new(binary::path());
    clean_environment(&mut command);
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).env("PATH", format!("{}:{path}", programs.display()));
    Process::run(&mut command, "", LIMIT)
}

/// A gateway under test is not a service of this machine, and is not told how to log.
fn clean_environment(command: &mut Command) {
    for name in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "STATE_DIRECTORY",
        "RUNTIME_DIRECTORY",
        "XDG_RUNTIME_DIR",
        "JOURNAL_STREAM",
        "GATEHOUSE_LOG",
        "GATEHOUSE_RESTARTED_BY_SERVICE",
        "GATEHOUSE_RESTART_SPACING",
    ] {
        command.env_remove(name);
    }
}

/// A running gateway. When it is dropped it is stopped, and must have been a good one: it ends by itself with 0 within
/// [`STOP_LIMIT`], and it has logged no error that was not declared with [`Gateway::tolerate`].
#[derive(Debug)]
pub struct Gateway {
    process: Process,
    setup: Setup,
    dashboard: SocketAddr,
    mqtt: SocketAddr,
    https: Option<SocketAddr>,
    mqtts: Option<SocketAddr>,
    setup_code: Option<String>,
    demo_user: Option<Login>,
    tolerated: Vec<String>,
    ended: bool,
}

/// How a gateway ended.
#[derive(Debug)]
pub struct Stopped {
    /// Its exit status.
    pub status: ExitStatus,
    /// How to start it again on the same data.
    pub setup: Setup,
}

impl Gateway {
    /// Where the dashboard listens.
    pub fn dashboard_address(&self) -> SocketAddr {
        self.dashboard
    }

    /// Where the dashboard listens with TLS, if it does.
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Where the broker listens.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.mqtt
    }

    /// Where the broker listens with TLS, if it does.
    pub fn mqtts_address(&self) -> Option<SocketAddr> {
        self.mqtts
    }

    /// The set-up code that it printed; nothing when there is an administrator.
    pub fn setup_code(&self) -> Option<&str> {
        self.setup_code.as_deref()
    }

    /// The ready-made MQTT user of the demonstration.
    ///
    /// # Panics
    /// When it has none.
    pub fn demo_user(&self) -> Login {
        self.demo_user.clone().unwrap_or_else(|| panic!("no `MQTT user:` line\n{}", self.process.words()))
    }

    /// Its data directory.
    pub fn data_directory(&self) -> PathBuf {
        self.setup.data_directory()
    }

    /// The memory that it uses now (resident set), in bytes.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("a running process has a status");
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a resident set");
        let kilobytes =
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("the resident set is a number");
        kilobytes * 1_024
    }

    /// Everything it has said so far.
    pub fn words(&self) -> String {
        self.process.words()
    }

    /// Where its configuration is.
    pub fn configuration(&self) -> PathBuf {
        self.setup.configuration()
    }

    /// Asks it to read its configuration again, and waits until it says what came of that.
    ///
    /// # Panics
    /// When it does not say so.
    pub fn reload(&self) -> String {
        let log = self.process.stderr();
        let mark = log.mark();
        self.process.hang_up();
        let is_outcome = |line: &String| {
            (line.contains("was read again") || line.contains("nothing was changed")).then(|| line.clone())
        };
        log.try_wait_after(mark, LIMIT, is_outcome).unwrap_or_else(|complaint| {
            panic!("waited for the configuration to be read again, but {complaint}\n{}", self.process.words())
        })
    }

    /// Waits until the log has a line with this text.
    ///
    /// # Panics
    /// When it has none.
    pub fn wait_for_words(&self, text: &str) {
        let has_it = |line: &String| line.contains(text).then_some(());
        self.process.stderr().try_wait_after(0, LIMIT, has_it).unwrap_or_else(|complaint| {
            panic!("waited for `{text}`, but {complaint}\n{}", self.process.words())
        });
    }

    /// Declares that lines of the log that contain `text` may be errors.
    pub fn tolerate(&mut self, text: &str) {
        self.tolerated.push(text.to_owned());
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(self.dashboard)
    }

    /// A browser in which an administrator is logged in; the first call makes that administrator with the set-up code.
    ///
    /// # Panics
    /// When the gateway does not let us in.
    pub fn administrator(&self) -> Browser {
        let browser = self.browser();
        let session = browser.get("/api/v1/session").expect(200).json();
        if session["setup_needed"] == true {
            let body = serde_json::json!({
                "code": self.setup_code.as_deref().unwrap_or_default(),
                "name": ADMINISTRATOR,
                "password": PASSWORD,
            });
            browser.post("/api/v1/setup", &body).expect(201);
        } else {
            browser.log_in(ADMINISTRATOR, PASSWORD);
        }
        browser
    }

    /// An MQTT 5 client that is logged in as the user of the demonstration.
    ///
    /// # Panics
    /// When it cannot connect.
    pub fn phone(&self, client_id: &str) -> Phone {
        Phone::connect(self.mqtt, client_id, &self.demo_user())
    }

    /// Calls `gatehouse` as [`Setup::command_line`] does, beside this gateway.
    ///
    /// # Panics
    /// When it does not end.
    pub fn command_line(&self, arguments: &[&str], input: &str) -> Finished {
        self.setup.command_line(arguments, input)
    }

    /// Sends SIGTERM, as systemd does, and goes on at once.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for the end of a gateway that was asked to stop.
    ///
    /// # Panics
    /// When it does not end within [`STOP_LIMIT`] with exit code 0, or has logged an error.
    pub fn wait_stopped(self) -> Stopped {
        self.wait_stopped_with(0)
    }

    /// Waits until it has ended by itself, with this status.
    ///
    /// # Panics
    /// As [`Gateway::wait_stopped`].
    pub fn wait_stopped_with(mut self, code: i32) -> Stopped {
        let status = self.process.wait(STOP_LIMIT);
        self.ended = true;
        self.check_clean();
        assert_eq!(status.code(), Some(code), "{}", self.process.words());
        Stopped { status, setup: self.setup.clone() }
    }

    /// Stops it.
    ///
    /// # Panics
    /// As [`Gateway::wait_stopped`].
    pub fn stop(self) -> Stopped {
        self.terminate();
        self.wait_stopped()
    }

    /// Stops it and starts it again on the same data.
    ///
    /// # Panics
    /// When one of the two fails.
    #[must_use]
    pub fn restart(self) -> Self {
        self.stop().setup.start()
    }

    /// Restarts it as the page does, and waits until the same process is back as another run; its addresses are other ones.
    ///
    /// # Panics
    /// When it is not back in time.
    pub fn restart_by_page(&mut self, browser: &Browser) {
        let mark = self.process.stdout().mark();
        let run = browser.get("/api/v1/system").expect(200).json()["run"].clone();
        browser.post("/api/v1/restart", &serde_json::json!({ "run": run })).expect(202);
        let is_ready = |line: &String| (line.trim() == "Ready.").then_some(());
        if let Err(complaint) = self.process.stdout().try_wait_after(mark, LIMIT, is_ready) {
            panic!("waited for another `Ready.`, but {complaint}\n{}", self.process.words());
        }
        let lines = self.process.stdout().all().split_off(mark);
        let dashboard = value_of(&lines, "Dashboard:").and_then(|address| {
            address.strip_prefix("http://")?.trim_end_matches('/').parse::<SocketAddr>().ok()
        });
        self.dashboard = dashboard.unwrap_or_else(|| panic!("no `Dashboard:` line in {lines:#?}"));
        let mqtt = value_of(&lines, "MQTT:").and_then(|address| address.parse::<SocketAddr>().ok());
        self.mqtt = mqtt.unwrap_or_else(|| panic!("no `MQTT:` line in {lines:#?}"));
    }

    /// Waits until it ends for a restart, as a service manager would, and gives how to start it again on the same data.
    ///
    /// # Panics
    /// When it does not end so, or has logged an error.
    pub fn wait_for_restart(mut self) -> Setup {
        let status = self.process.wait(LIMIT);
        self.ended = true;
        self.check_clean();
        assert_eq!(status.code(), Some(RESTART_CODE), "{}", self.process.words());
        self.setup.clone()
    }

    /// Kills it as a power cut would, and gives how to start it again on the same data.
    ///
    /// # Panics
    /// When it has logged an error before.
    pub fn kill(mut self) -> Setup {
        self.process.kill();
        self.process.wait(LIMIT);
        self.ended = true;
        self.check_clean();
        self.setup.clone()
    }

    fn check_clean(&self) {
        let (stdout, stderr) = (self.process.stdout().all(), self.process.stderr().all());
        let is_bad = |line: &&String| line.contains("ERROR") || line.contains("panicked at");
        let is_declared = |line: &&String| self.tolerated.iter().any(|text| line.contains(text.as_str()));
        let bad: Vec<&String> =
            stdout.iter().chain(&stderr).filter(is_bad).filter(|l| !is_declared(l)).collect();
        assert!(bad.is_empty(), "errors in the log: {bad:#?}\n{}", self.process.words());
    }
}

impl Drop for Gateway {
    #[expect(clippy::print_stderr, reason = "only so is it shown with the test that failed")]
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if std::thread::panicking() {
            // The test has failed already, and the output of the gateway may say why. The process is killed when its
            // handle is dropped.
            eprintln!("{}", self.process.words());
            return;
        }
        self.process.terminate();
        let status = self.process.wait(STOP_LIMIT);
        self.check_clean();
        assert_eq!(status.code(), Some(0), "{}", self.process.words());
    }
}

/// The file of a data directory in which history is kept.
pub fn history_file(data_directory: &Path) -> PathBuf {
    data_directory.join("history.db")
}

/// The file of a data directory in which accounts are kept.
pub fn accounts_file(data_directory: &Path) -> PathBuf {
    data_directory.join("gatehouse.db")
}

//! MQTT where another program has the usual port: the gateway is on another one, which its clients keep.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use gatehouse_tests::process::Process;
use gatehouse_tests::{LIMIT, Phone, Setup};

/// The usual port, and the one beside it.
const USUAL: u16 = 1883;
const NEXT: u16 = 1884;

/// Says to the test that it runs in a network of its own, how long after the start of the machine.
const WORLD: &str = "GATEHOUSE_TEST_WORLD";

/// A moment after the machine's start, and long after it, in seconds.
const SOON: i64 = 30;
const LATE: i64 = 3_600;

/// The longest that the test takes in its world: it starts two gateways.
const WORLD_LIMIT: Duration = Duration::from_secs(3 * LIMIT.as_secs());

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Runs the test of this name once more, in a network where nobody has a port, on a machine that is up for so many seconds.
/// Gives whether this user may make such a world.
fn in_a_world_of_its_own(test: &str, up_for: i64) -> bool {
    // It is built out here, where that may take its time, and before anybody looks at the clock.
    let binary = gatehouse_tests::binary::path();
    let text = std::fs::read_to_string("/proc/uptime").expect("the kernel tells how long it runs");
    let real = text.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok());
    let shift = (up_for - real.expect("it is a number")).to_string();
    let world = ["--net", "--time", "--boottime", &shift, "--fork", "--kill-child"];
    let tried = Command::new("unshare").args(world).arg("true").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return false;
    }
    let mut command = Command::new("unshare");
    command.args(world).args(["sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""]);
    command.arg(std::env::current_exe().expect("a program has a file"));
    command.args(["--exact", test, "--nocapture"]).env(WORLD, up_for.to_string());
    command.env("GATEHOUSE_BIN", binary);
    let finished = Process::run(&mut command, "", WORLD_LIMIT);
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert!(finished.stdout.contains("1 passed"), "{}", finished.stdout);
    true
}

/// Phones that were paired while another broker had the usual port found nobody once it was gone. And that broker, where it
/// starts after the gateway, found its port taken.
#[test]
fn the_port_that_clients_were_given_stays_and_the_usual_one_is_left_alone_at_a_boot() {
    let Ok(up_for) = std::env::var(WORLD) else {
        let name = "ports::the_port_that_clients_were_given_stays_and_the_usual_one_is_left_alone_at_a_boot";
        if !(in_a_world_of_its_own(name, SOON) && in_a_world_of_its_own(name, LATE)) {
            println!("not tried: this user cannot make a network of its own with another time of the start");
        }
        return;
    };
    let other = TcpListener::bind(address(USUAL)).expect("nobody is here");
    let setup = Setup::simulated("[discovery]\nmdns = false\n").without_mqtt_address();
    let gateway = setup.start();
    assert_eq!(gateway.mqtt_address(), address(NEXT));
    let login = gateway.demo_user();
    drop(Phone::connect(address(NEXT), "paired", &login));
    let setup = gateway.stop().setup;
    drop(other);
    let gateway = setup.start();
    let configuration = gateway.configuration();
    let doctor =
        gateway.command_line(&["doctor", "--json", "--config", &configuration.to_string_lossy()], "");
    let paired = Phone::connect(address(NEXT), "paired", &login);
    paired.subscribe("greetings/#");
    // On a machine where Mosquitto starts too, that one is told.
    let told = |kind: &str| doctor.stdout.contains(&format!("\"{kind}\""));
    assert!(!told("port-taken"), "no door of its own is in its way: {doctor:?}");
    let is_left_alone = told("mqtt-port-free") || told("mosquitto-starts");
    if up_for == SOON.to_string() {
        assert_eq!(gateway.mqtt_address(), address(NEXT));
        assert!(is_left_alone, "{doctor:?}");
        drop(TcpListener::bind(address(USUAL)).expect("the other broker comes after the gateway"));
        return;
    }
    assert_eq!(gateway.mqtt_address(), address(USUAL), "that one is told to everybody");
    assert!(!told("mqtt-port-free"), "{doctor:?}");
    gateway.wait_for_words("MQTT is on port 1883, and on port 1884 as well");
    let newcomer = Phone::connect(address(USUAL), "newcomer", &login);
    newcomer.publish("greetings/newcomer", "hello", false).expect("a plain message is welcome");
    paired.wait_payload("greetings/newcomer", "hello");
    // A stop closes both, and the next start has both.
    let gateway = gateway.restart();
    assert_eq!(gateway.mqtt_address(), address(USUAL));
    drop(Phone::connect(address(NEXT), "paired", &login));
}

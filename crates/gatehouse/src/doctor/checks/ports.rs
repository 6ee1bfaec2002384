//! Ports of the gateway that another program has.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use gatehouse_dashboard::wire::{DoctorKind, DoctorLevel};

use crate::doctor::finding::Finding;
use crate::doctor::machine::{Machine, SERVICE_USER};
use crate::doctor::mend::Mend;
use crate::doctor::wanted::Wanted;
use crate::mqtt_ports::{BOOT_TIME, Had};

/// How the programs are called that it is about.
const MOSQUITTO: &str = "mosquitto";
const OURS: &str = "gatehouse";

/// Where Mosquitto listens when its configuration says nothing (mosquitto.conf(5)).
const MOSQUITTO_PORT: u16 = 1883;

/// A socket that listens, as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listening {
    address: SocketAddr,
    uid: u32,
    inode: u64,
}

/// Each port of the gateway that another program has, with that program.
pub(super) fn taken(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let listening = listening(machine);
    let mut said = BTreeSet::new();
    let mut found = Vec::new();
    for (section, address) in &wanted.ports {
        let in_the_way = listening.iter().filter(|socket| is_in_the_way(*address, socket.address));
        let holders = in_the_way.map(|socket| holder(machine, socket));
        let Some(holder) = holders.into_iter().find(|holder| !holder.is_ours) else { continue };
        if said.insert(address.port()) {
            let explain = match (wanted.unasked.contains(section), *section) {
                (false, _) => explain,
                (true, "[mqtt]") => explain_moved,
                (true, _) => explain_unasked,
            };
            found.push(explain(section, address.port(), &holder));
        }
    }
    found
}

fn explain(section: &str, port: u16, holder: &Holder) -> Finding {
    let elsewhere = format!("choose another port for the gateway with `listen` in {section}");
    if holder.is_mosquitto {
        return Finding::problem(
            DoctorKind::MosquittoHasPort,
            format!("Mosquitto has port {port}, where the gateway's own broker listens."),
        )
        .about(&port)
        .because("Two brokers cannot have one port: the gateway does not start while Mosquitto has it.")
        .so(format!(
            "Stop Mosquitto and keep it from starting (`sudo systemctl disable --now mosquitto`): its clients find the \
             gateway's broker in its place. Or {elsewhere}, and let Mosquitto pass messages on with a `connection` in its \
             own configuration."
        ))
        .mended_by(Mend::StopMosquitto);
    }
    let name = &holder.name;
    Finding::problem(DoctorKind::PortTaken, format!("Port {port} of {section} is in use by {name}."))
        .about(&port)
        .about(&section)
        .about(&name)
        .because("The gateway cannot listen there, and does not start if the port was asked for.")
        .so(format!("Stop that program, or {elsewhere}."))
}

/// The port of MQTT when nobody asked for just that: the broker is on the next free one.
fn explain_moved(section: &str, port: u16, holder: &Holder) -> Finding {
    let finding = explain(section, port, holder);
    Finding { level: DoctorLevel::Warning, ..finding }.because(
        "The gateway's broker listens on the next free port in its place, which the page and the log name, and keeps that one. \
         Clients that look for it here find the other program.",
    )
}

/// A port of MQTT that is free by now, and that the gateway still leaves to the program that had it.
pub(super) fn left_alone(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let mqtt =
        wanted.ports.iter().find(|(section, _)| *section == "[mqtt]" && wanted.unasked.contains(section));
    let Some((_, address)) = mqtt else { return Vec::new() };
    let port = address.port();
    let had = Had::read(wanted.notes()).ok().flatten();
    let Some(had) = had.filter(|had| !had.ports().contains(&port)) else { return Vec::new() };
    let is_free = !listening(machine).iter().any(|socket| is_in_the_way(*address, socket.address));
    // That one has it again after the next start of the machine.
    if !is_free || !mosquitto_that_starts(machine, wanted).is_empty() {
        return Vec::new();
    }
    let given: Vec<String> = had.ports().iter().map(u16::to_string).collect();
    let given = given.join(", ");
    let minutes = BOOT_TIME.as_secs() / 60;
    let finding = Finding::note(
        DoctorKind::MqttPortFree,
        format!("Port {port} of [mqtt] is free, and the gateway's broker is on {given}."),
    )
    .about(&port)
    .about(&given)
    .about(&minutes)
    .because(format!(
        "It leaves {port} to the program that had it, so that both find their ports whichever starts first with the machine."
    ))
    .so(format!(
        "If no other program needs {port}, restart the gateway once the machine is up for {minutes} minutes: it takes {port} too, \
         and keeps {given}."
    ));
    vec![finding]
}

/// The program that has an address of the gateway, for people.
pub(in crate::doctor) fn holder_of(machine: &Machine, address: SocketAddr) -> Option<String> {
    let in_the_way = listening(machine).into_iter().filter(|socket| is_in_the_way(address, socket.address));
    let mut holders = in_the_way.map(|socket| holder(machine, &socket));
    holders.find(|holder| !holder.is_ours).map(|holder| holder.name.replace('`', ""))
}

/// A port that is taken where it is free, and done without where it is not.
fn explain_unasked(section: &str, port: u16, holder: &Holder) -> Finding {
    let name = &holder.name;
    Finding::warning(DoctorKind::PortTaken, format!("Port {port} of {section} is in use by {name}."))
        .about(&port)
        .about(&section)
        .about(name)
        .because(
            "The gateway starts without this port, so that clients do not find TLS where they expect it.",
        )
        .so(format!("Stop that program, or choose another port for the gateway with `listen` in {section}."))
}

/// Mosquitto that starts with the machine and wants the same port: whichever is first has it.
pub(super) fn mosquitto_that_starts(machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let is_wanted = |port: u16| {
        wanted.ports.iter().any(|(section, address)| *section == "[mqtt]" && address.port() == port)
    };
    let has_it_now =
        taken(machine, wanted).iter().any(|finding| finding.kind == DoctorKind::MosquittoHasPort);
    let port = mosquitto_ports(machine).into_iter().find(|port| is_wanted(*port));
    let Some(port) = port.filter(|_| machine.is_enabled(MOSQUITTO) && !has_it_now) else { return Vec::new() };
    let finding = Finding::warning(
        DoctorKind::MosquittoStarts,
        format!("Mosquitto starts with the machine too, and wants port {port} of the gateway."),
    )
    .about(&port)
    .because("Whichever starts first has the port; after a restart of the machine the gateway may be on another one, or not start where just this one was asked for.")
    .so("Keep Mosquitto from starting (`sudo systemctl disable --now mosquitto`), or give it another port.")
    .mended_by(Mend::StopMosquitto);
    vec![finding]
}

/// Where Mosquitto's configuration lets it listen.
fn mosquitto_ports(machine: &Machine) -> Vec<u16> {
    let parts = machine.names("/etc/mosquitto/conf.d");
    let parts = parts.iter().filter(|name| name.ends_with(".conf"));
    let parts = parts.filter_map(|name| machine.text(&format!("/etc/mosquitto/conf.d/{name}")));
    let text: String = machine.text("/etc/mosquitto/mosquitto.conf").into_iter().chain(parts).collect();
    let ports: Vec<u16> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("listener" | "port")).then(|| words.next()?.parse().ok()).flatten()
        })
        .collect();
    if ports.is_empty() { vec![MOSQUITTO_PORT] } else { ports }
}

/// Who has a socket.
struct Holder {
    /// For people.
    name: String,
    is_ours: bool,
    is_mosquitto: bool,
}

fn holder(machine: &Machine, socket: &Listening) -> Holder {
    let user = machine.user_name(socket.uid);
    let process = process(machine, socket.inode);
    let is_own_process = process.as_ref() == Some(&machine.own_process);
    let program = process.and_then(|process| machine.process_name(&process));
    let is = |program_name: &str, user_name: &str| match &program {
        Some(program) => program == program_name,
        None => user.as_deref() == Some(user_name),
    };
    Holder {
        is_ours: is_own_process || is(OURS, SERVICE_USER),
        is_mosquitto: is(MOSQUITTO, MOSQUITTO),
        name: match (&program, &user) {
            (Some(program), _) => format!("`{program}`"),
            (None, Some(user)) => format!("a program of the user `{user}`"),
            (None, None) => format!("a program of the user number {}", socket.uid),
        },
    }
}

/// The process that has a socket, where this user may see it.
fn process(machine: &Machine, inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let has_it = |process: &String| {
        let directory = format!("/proc/{process}/fd");
        let descriptors = machine.names(&directory);
        descriptors
            .iter()
            .any(|number| machine.link(&format!("{directory}/{number}")).as_ref() == Some(&wanted))
    };
    machine.processes().into_iter().find(has_it)
}

/// Whether a socket that listens there keeps the gateway from listening here. The unspecified address of IPv6 stands for all
/// addresses, those of IPv4 included.
fn is_in_the_way(ours: SocketAddr, theirs: SocketAddr) -> bool {
    let everywhere = |ip: IpAddr| ip.is_unspecified();
    let same_family = ours.is_ipv4() == theirs.is_ipv4();
    let overlap = match (everywhere(ours.ip()), everywhere(theirs.ip())) {
        (true, true) => true,
        (true, false) => ours.is_ipv6() || same_family,
        (false, true) => theirs.is_ipv6() || same_family,
        (false, false) => ours.ip() == theirs.ip(),
    };
    ours.port() == theirs.port() && overlap
}

/// What listens on this machine (proc_net_tcp(5)).
fn listening(machine: &Machine) -> Vec<Listening> {
    let files = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| machine.text(file).unwrap_or_default());
    files.iter().flat_map(|text| text.lines().filter_map(parse)).collect()
}

/// One line of the kernel's list, if that socket listens.
fn parse(line: &str) -> Option<Listening> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, state) = (fields.get(1)?, fields.get(3)?);
    if *state != LISTEN {
        return None;
    }
    let (ip, port) = address.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Each group of eight digits is a number in the order of this machine's bytes.
    let group = |index: usize| u32::from_str_radix(ip.get(8 * index..8 * index + 8)?, 16).ok();
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(group(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&group(index)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let (uid, inode) = (fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?);
    Some(Listening { address: SocketAddr::new(ip, port), uid, inode })
}

#[cfg(test)]
mod tests {
    use gatehouse_model::Timestamp;

    use super::*;
    use crate::doctor::checks::examine;
    use crate::doctor::checks::tests::{finding, kinds, wanted};
    use crate::doctor::machine::fake::FakeMachine;
    use crate::mqtt_ports;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn tcp(address: &str, state: &str, uid: u32, inode: u64) -> String {
        format!(
            "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000   {uid}        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
    }

    /// 1883 on 0.0.0.0 belongs to a process with this name.
    fn with_holder(name: &str, uid: u32) -> FakeMachine {
        let machine = FakeMachine::pi();
        machine.put("/proc/net/tcp", &format!("{HEAD}{}", tcp("00000000:075B", "0A", uid, 4711)));
        machine.put("/proc/712/comm", &format!("{name}\n")).put("/proc/712/fd/.keep", "");
        machine.link("/proc/712/fd/5", "socket:[4711]");
        machine
    }

    #[test]
    fn a_port_in_use_is_told_with_the_program() {
        let found = finding(&with_holder("nginx", 33), "", DoctorKind::PortTaken);
        assert_eq!(found.facts, ["1883", "[mqtt]", "`nginx`"]);
        assert_eq!(found.what, "Port 1883 of [mqtt] is in use by `nginx`.");
        assert_eq!(found.mend, None, "nobody knows what it is there for");
        assert_eq!(
            holder_of(&with_holder("nginx", 33).machine, "[::]:1883".parse().unwrap()).unwrap(),
            "nginx"
        );
    }

    /// The gateway runs, on another port: nothing is broken as long as nobody asked for just this one.
    #[test]
    fn the_port_of_mqtt_is_a_problem_only_where_it_was_asked_for() {
        for program in ["mosquitto", "nginx"] {
            let level = |text: &str| examine(&with_holder(program, 1).machine, &wanted(text)).remove(0).level;
            assert_eq!(level(""), DoctorLevel::Warning);
            assert_eq!(level("[mqtt]\nlisten = \"[::]:1883\"\n"), DoctorLevel::Problem);
        }
    }

    #[test]
    fn mosquitto_is_named_and_can_be_stopped() {
        let found = finding(&with_holder("mosquitto", 110), "", DoctorKind::MosquittoHasPort);
        assert_eq!(found.mend, Some(Mend::StopMosquitto));
        assert!(found.remedy.contains("listen") && found.remedy.contains("connection"), "{}", found.remedy);
        // It is not told twice when it starts with the machine as well.
        let machine = with_holder("mosquitto", 110);
        machine.link("/etc/systemd/system/multi-user.target.wants/mosquitto.service", "/lib/x");
        assert_eq!(kinds(&machine, "").len(), 1);
    }

    #[test]
    fn a_process_that_may_not_be_seen_is_known_by_its_user() {
        let machine = with_holder("mosquitto", 110);
        machine.remove("/proc/712");
        assert_eq!(finding(&machine, "", DoctorKind::MosquittoHasPort).facts, ["1883"]);
        let machine = with_holder("x", 4_242);
        machine.remove("/proc/712");
        assert_eq!(
            finding(&machine, "", DoctorKind::PortTaken).facts[2],
            "a program of the user number 4242"
        );
    }

    #[test]
    fn our_own_daemon_is_in_nobodys_way() {
        assert_eq!(kinds(&with_holder("gatehouse", 0), ""), []);
        let machine = with_holder("gatehouse", 990);
        machine.remove("/proc/712");
        assert_eq!(kinds(&machine, ""), [], "known by its user");
        let mut renamed = with_holder("another-name", 0);
        renamed.machine.own_process = "712".to_owned();
        assert_eq!(kinds(&renamed, ""), [], "the process that looks, whatever its file is called");
        // A connection is no socket that listens.
        let machine = FakeMachine::pi();
        machine.put("/proc/net/tcp", &format!("{HEAD}{}", tcp("0100007F:075B", "01", 0, 1)));
        assert_eq!(kinds(&machine, ""), []);
    }

    #[test]
    fn a_usual_port_that_is_free_and_left_alone_is_told() {
        let data = tempfile::tempdir().unwrap();
        let found = |machine: &FakeMachine, text: &str, ports: &[u16]| {
            mqtt_ports::remember(data.path(), 1883, ports, Timestamp::default());
            let wanted = Wanted { data: data.path().to_owned(), ..wanted(text) };
            examine(&machine.machine, &wanted)
        };
        let machine = FakeMachine::pi();
        let [note] = &found(&machine, "", &[1884])[..] else { panic!("it is not told") };
        assert_eq!((note.kind, note.level), (DoctorKind::MqttPortFree, DoctorLevel::Note));
        assert_eq!(note.facts, ["1883", "1884", "5"]);
        assert_eq!(note.mend, None, "nobody knows whether the other program comes back");
        for ports in [[1883, 1884].as_slice(), &[1883]] {
            assert_eq!(found(&machine, "", ports), [], "{ports:?}");
        }
        assert_eq!(found(&machine, "[mqtt]\nlisten = \"[::]:1884\"\n", &[1884]), [], "it was asked for");
        let kind = |machine: &FakeMachine, ports: &[u16]| {
            found(machine, "", ports).into_iter().map(|finding| finding.kind).collect::<Vec<_>>()
        };
        assert_eq!(kind(&with_holder("nginx", 33), &[1884]), [DoctorKind::PortTaken], "it is not free");
        assert_eq!(kind(&with_holder("gatehouse", 990), &[1883, 1884]), [], "that is our own");
        machine.link("/etc/systemd/system/multi-user.target.wants/mosquitto.service", "/lib/x");
        assert_eq!(kind(&machine, &[1884]), [DoctorKind::MosquittoStarts], "it comes back");
    }

    #[test]
    fn another_address_is_in_nobodys_way() {
        let machine = FakeMachine::pi();
        machine.put("/proc/net/tcp", &format!("{HEAD}{}", tcp("0100007F:075B", "0A", 33, 1)));
        let at = |listen: &str| kinds(&machine, &format!("[mqtt]\nlisten = \"{listen}\"\n")).len();
        assert_eq!(at("127.0.0.1:1883"), 1);
        assert_eq!(at("192.0.2.1:1883"), 0);
        assert_eq!(at("[::1]:1883"), 0);
        assert_eq!(at("0.0.0.0:1883"), 1);
        assert_eq!(at("[::]:1883"), 1);
        assert_eq!(at("127.0.0.1:1884"), 0);
    }

    #[test]
    fn a_port_that_nobody_asked_for_is_no_problem() {
        let machine = FakeMachine::pi();
        machine.put("/proc/net/tcp", &format!("{HEAD}{}", tcp("00000000:22B3", "0A", 33, 1)));
        let level = |text| finding(&machine, text, DoctorKind::PortTaken).level;
        assert_eq!(level(""), DoctorLevel::Warning);
        assert_eq!(level("[mqtts]\nlisten = \"[::]:8883\"\n"), DoctorLevel::Problem);
    }

    #[test]
    fn sockets_of_ipv6_are_read() {
        let line = tcp("B80D0120000000000000000001000000:1F90", "0A", 7, 9);
        let read = parse(&line).unwrap();
        assert_eq!(read.address, "[2001:db8::1]:8080".parse().unwrap());
        assert_eq!((read.uid, read.inode), (7, 9));
        assert_eq!(parse(HEAD), None);
    }

    #[test]
    fn mosquitto_that_starts_with_the_machine_is_told_unless_it_listens_elsewhere() {
        let machine = FakeMachine::pi();
        assert_eq!(kinds(&machine, ""), []);
        machine.link("/etc/systemd/system/multi-user.target.wants/mosquitto.service", "/lib/x");
        assert_eq!(finding(&machine, "", DoctorKind::MosquittoStarts).mend, Some(Mend::StopMosquitto));
        machine.put("/etc/mosquitto/conf.d/local.conf", "# listener 1883\nlistener 1884 127.0.0.1\n");
        assert_eq!(kinds(&machine, ""), []);
        assert_eq!(kinds(&machine, "[mqtt]\nlisten = \"[::]:1884\"\n").len(), 1);
    }

    proptest::proptest! {
        /// The kernel's list may have lines of any form.
        #[test]
        fn no_line_panics(line in "\\PC{0,80}|[0-9A-F: ]{0,160}") {
            let _ = parse(&line);
        }
    }
}

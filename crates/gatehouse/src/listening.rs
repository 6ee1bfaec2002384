//! Sockets to listen on: for IPv4 and IPv6 alike, and where an address cannot be had.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tracing::{debug, warn};

/// Connections that wait to be accepted: all clients of a house come back at once after a power cut.
const BACKLOG: i32 = 1_024;

/// Ports that are tried where nobody asked for one.
const NEAR: u16 = 10;

/// Listens where somebody asked for it. `who` is for the sentence, `option` moves it elsewhere.
///
/// # Errors
/// When the address cannot be had, with what to do.
pub(crate) async fn listen(address: SocketAddr, who: &str, option: &str) -> anyhow::Result<TcpListener> {
    bind(address).with_context(|| {
        format!(
            "the {who} cannot listen on {address}: stop the program that has this port, or choose another with {option}"
        )
    })
}

/// Listens where nobody asked for it: a port that another program has is said and done without, so that a gateway that
/// worked goes on working when an update brings it a further port.
///
/// # Errors
/// When the operating system gives no sockets at all.
pub(crate) async fn listen_if_free(
    address: SocketAddr,
    who: &str,
    option: &str,
) -> anyhow::Result<Option<TcpListener>> {
    match bind(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(problem) if problem.kind() == io::ErrorKind::AddrInUse => {
            warn!(
                "the {who} does not listen: another program has {address}; stop that one, choose another address with \
                 {option}, or turn it off in the configuration"
            );
            Ok(None)
        }
        Err(problem) => Err(problem).with_context(|| format!("the {who} cannot listen on {address}")),
    }
}

/// Listens where that can be had; the other programs of the machine may be there as well.
pub(crate) fn take(address: SocketAddr) -> Option<TcpListener> {
    bind(address).inspect_err(|problem| debug!("{address} cannot be had: {problem}")).ok()
}

/// Listens near where nobody asked for it: on the first port from this one on that is free. Clients do not come without the
/// port, so a gateway that finds it taken is better on another one than not there at all.
///
/// # Errors
/// When none of [`NEAR`] ports can be had, with what to do.
pub(crate) async fn listen_near(address: SocketAddr, who: &str, option: &str) -> anyhow::Result<TcpListener> {
    let last = address.port().saturating_add(NEAR - 1);
    for port in address.port()..=last {
        match bind(SocketAddr::new(address.ip(), port)) {
            Err(problem) if problem.kind() == io::ErrorKind::AddrInUse => {}
            Err(_) => break,
            Ok(listener) => return Ok(listener),
        }
    }
    // The first one says what is wrong.
    listen(address, who, option).await
}

/// Whether nothing can ever listen there because it is the address of another machine.
pub(crate) fn is_elsewhere(address: SocketAddr) -> bool {
    // Its port may be taken, by this very gateway.
    let any_port = SocketAddr::new(address.ip(), 0);
    let bound = socket_for(any_port).and_then(|socket| socket.bind(&any_port.into()));
    bound.is_err_and(|problem| {
        problem.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error())
            && without_ipv6(address, &problem).is_none()
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = socket_for(address).and_then(|socket| {
        socket.bind(&address.into())?;
        Ok(socket)
    });
    let socket = match bound {
        Ok(socket) => socket,
        Err(problem) => {
            let Some(instead) = without_ipv6(address, &problem) else { return Err(problem) };
            debug!("this machine has no IPv6: listening on {instead}");
            let socket = socket_for(instead)?;
            socket.bind(&instead.into())?;
            socket
        }
    };
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket that may listen on this address. The unspecified address of IPv6 stands for all addresses of the machine,
/// those of IPv4 included, whatever the machine's own setting for that is (`net.ipv6.bindv6only`).
fn socket_for(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A port whose last connections are still being forgotten by the kernel can be had again at once.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Where to listen instead of on all addresses when there is no IPv6.
fn without_ipv6(address: SocketAddr, problem: &io::Error) -> Option<SocketAddr> {
    let has_no_ipv6 = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL]
        .iter()
        .any(|errno| problem.raw_os_error() == Some(errno.raw_os_error()));
    let is_everywhere = address.is_ipv6() && address.ip().is_unspecified();
    (has_no_ipv6 && is_everywhere).then(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everywhere_is_ipv4_and_ipv6_and_ipv4_alone_where_there_is_no_other() {
        let everywhere: SocketAddr = "[::]:1883".parse().unwrap();
        // A machine without IPv6 has no such socket to look at.
        if let Ok(socket) = socket_for(everywhere) {
            assert!(!socket.only_v6().unwrap());
        }
        let no_family = io::Error::from_raw_os_error(Errno::AFNOSUPPORT.raw_os_error());
        let no_address = io::Error::from_raw_os_error(Errno::ADDRNOTAVAIL.raw_os_error());
        let taken = io::Error::from_raw_os_error(Errno::ADDRINUSE.raw_os_error());
        let all_of_ipv4 = "0.0.0.0:1883".parse().ok();
        assert_eq!(without_ipv6(everywhere, &no_family), all_of_ipv4);
        assert_eq!(without_ipv6(everywhere, &no_address), all_of_ipv4);
        assert_eq!(without_ipv6(everywhere, &taken), None);
        assert_eq!(without_ipv6("[fd00::1]:1883".parse().unwrap(), &no_address), None, "that one was meant");
        assert_eq!(without_ipv6("192.0.2.1:1883".parse().unwrap(), &no_address), None);
    }

    #[test]
    fn an_address_of_another_machine_is_told_from_one_that_is_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_elsewhere(taken.local_addr().unwrap()));
        assert!(!is_elsewhere("[::]:1883".parse().unwrap()));
        assert!(is_elsewhere("192.0.2.1:1883".parse().unwrap()));
    }

    #[tokio::test]
    async fn where_nobody_asked_for_a_port_the_next_free_one_will_do() {
        let first = listen(SocketAddr::from(([127, 0, 0, 1], 0)), "MQTT broker", "--mqtt").await.unwrap();
        let taken = first.local_addr().unwrap();
        let next = listen_near(taken, "MQTT broker", "--mqtt").await.unwrap().local_addr().unwrap();
        assert!(next.port() > taken.port() && next.port() < taken.port() + NEAR, "{next}");
        drop(first);
        assert_eq!(listen_near(taken, "MQTT broker", "--mqtt").await.unwrap().local_addr().unwrap(), taken);
        let elsewhere = listen_near("192.0.2.1:1883".parse().unwrap(), "MQTT broker", "--mqtt").await;
        assert!(elsewhere.unwrap_err().to_string().contains("192.0.2.1:1883"));
    }

    #[tokio::test]
    async fn an_address_that_was_asked_for_must_be_had_and_another_need_not() {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = listen(free, "MQTT broker", "--mqtt").await.unwrap();
        let taken = first.local_addr().unwrap();
        let said = format!("{:#}", listen(taken, "MQTT broker", "--mqtt").await.unwrap_err());
        assert!(said.contains(&taken.to_string()) && said.contains("--mqtt"), "{said}");
        assert!(listen_if_free(taken, "MQTT broker", "--mqtts").await.unwrap().is_none());
        assert!(listen_if_free(free, "MQTT broker", "--mqtts").await.unwrap().is_some());
        drop(first);
        listen(taken, "MQTT broker", "--mqtt").await.unwrap();
    }
}

//! Many connections: how many in a second, and what each takes while it is idle.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use gatehouse_model::{Clock, SystemClock};

use crate::process::{Memory, Process, pause, until};
use crate::wire::put_connect;

/// Clients that connect at the same time, each again and again.
const AT_ONCE: usize = 8;

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a broker is left alone before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    pub(crate) connections: u64,
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
}

/// Connects, logs in and says goodbye `count` times, a few clients at once.
pub(crate) fn rate(process: &Process, address: SocketAddr, count: u64) -> Result<Rate, String> {
    let clock = SystemClock::new();
    let (start, before) = (clock.moment(), process.cpu_time()?);
    let each = count / AT_ONCE as u64;
    let results = thread::scope(|scope| {
        let client = |number| move || (0..each).try_for_each(|_| come_and_go(address, number));
        let clients: Vec<_> = (0..AT_ONCE).map(|number| scope.spawn(client(number))).collect();
        clients
            .into_iter()
            .map(|client| {
                client.join().unwrap_or_else(|_| Err(io::Error::other("a client's thread panicked")))
            })
            .collect::<io::Result<Vec<()>>>()
    });
    results.map_err(|error| format!("a connection: {error}"))?;
    Ok(Rate {
        connections: each * AT_ONCE as u64,
        time: clock.moment().saturating_since(start),
        cpu: process.cpu_time()?.saturating_sub(before),
    })
}

fn come_and_go(address: SocketAddr, number: usize) -> io::Result<()> {
    let mut stream = log_in(address, &format!("bench-guest-{number}"))?;
    stream.write_all(&[0xE0, 0])?;
    // The broker closes: then it has done all that a connection costs.
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::other("something came after the DISCONNECT")),
        Err(error) => Err(error),
    }
}

fn log_in(address: SocketAddr, client_id: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut packet = Vec::new();
    put_connect(&mut packet, client_id, true, None);
    stream.write_all(&packet)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    match answer {
        [0x20, 2, _, 0] => Ok(stream),
        other => Err(io::Error::other(format!("refused: {other:02x?}"))),
    }
}

/// Memory with so many idle clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) clients: usize,
    pub(crate) memory: Memory,
}

/// Holds more and more idle clients, and reads the broker's memory with each number of them.
pub(crate) fn idle(process: &Process, address: SocketAddr, numbers: &[usize]) -> Result<Vec<Idle>, String> {
    let mut clients = Vec::new();
    let mut found = Vec::new();
    for number in numbers {
        while clients.len() < *number {
            let client = log_in(address, &format!("bench-idle-{}", clients.len()))
                .map_err(|error| format!("idle client {}: {error}", clients.len()))?;
            clients.push(client);
        }
        pause(SETTLE);
        found.push(Idle { clients: *number, memory: process.memory()? });
    }
    // They go without a word, all at once; whoever measures next should not meet them.
    drop(clients);
    let calm = until(LIMIT, || {
        let before = process.cpu_time().ok()?;
        pause(Duration::from_millis(100));
        let spent = process.cpu_time().ok()?.saturating_sub(before);
        (spent < Duration::from_millis(10)).then_some(())
    });
    calm.map(|()| found).ok_or("the broker did not come to rest after its clients had gone".to_owned())
}

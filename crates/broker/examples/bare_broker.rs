//! The broker without the rest of the gateway, for measuring it beside other brokers: `scripts/bench broker` starts it.
//!
//! `cargo run --release -p gatehouse-broker --example bare_broker -- 127.0.0.1:1883 USER PASSWORD [FILE]`
//!
//! With a file, everything that the broker promises is kept in it; without one, nothing outlives the process.
//! One user may do everything. The password is compared as it is, since what a login costs with a slow hash says nothing
//! about the broker. Connections and sessions are limited to [`MOST_CLIENTS`]; every other limit is the default.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_broker::{
    Authenticator, Broker, Identity, Login, LoginError, MemoryStore, OpenGuard, Parts, Rights, Settings,
    SqliteStore, Store, StoreOptions,
};
use gatehouse_model::{SeededRandomness, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Connections, and sessions. The measurement of memory holds 10,000 clients.
const MOST_CLIENTS: usize = 12_000;

/// Knows one user.
struct OneUser {
    user: String,
    password: String,
}

#[async_trait]
impl Authenticator for OneUser {
    async fn authenticate(&self, login: Login<'_>) -> Result<Identity, LoginError> {
        if login.user != Some(&*self.user) || login.password != Some(self.password.as_bytes()) {
            return Err(LoginError::BadCredentials);
        }
        Ok(Identity { user: self.user.as_str().into(), rights: Rights::everything() })
    }

    async fn recall(&self, user: &str, _client_id: &str) -> Result<Option<Rights>, LoginError> {
        Ok((user == self.user).then(Rights::everything))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, user, password, file) = match arguments.as_slice() {
        [address, user, password] => (address, user, password, None),
        [address, user, password, file] => (address, user, password, Some(Path::new(file))),
        _ => {
            complain("usage: bare_broker ADDRESS USER PASSWORD [FILE]");
            return ExitCode::from(64);
        }
    };
    let login = OneUser { user: user.clone(), password: password.clone() };
    match serve(address, login, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&problem.to_string());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "an example speaks to the person who started it")]
fn complain(text: &str) {
    eprintln!("bare_broker: {text}");
}

fn serve(address: &str, login: OneUser, file: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings = Settings {
            max_connections: MOST_CLIENTS,
            max_sessions: MOST_CLIENTS,
            sessions_per_user: MOST_CLIENTS,
            ..Settings::default()
        };
        let clock = Arc::new(SystemClock::new());
        let store: Box<dyn Store> = match file {
            Some(file) => Box::new(SqliteStore::open(file, StoreOptions::default(), clock.clone()).await?),
            None => Box::new(MemoryStore),
        };
        let (broker, _handle) = Broker::new(Parts {
            settings,
            authenticator: Arc::new(login),
            guard: Arc::new(OpenGuard),
            store,
            clock,
            randomness: Arc::new(SeededRandomness::new(1)),
        });
        let listener = TcpListener::bind(address).await?;
        let stop = CancellationToken::new();
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let ending = stop.clone();
        tokio::spawn(async move {
            terminated.recv().await;
            ending.cancel();
        });
        Ok(broker.run(vec![listener], stop).await?)
    })
}

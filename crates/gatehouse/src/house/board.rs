//! The board with its bridge, opened; no pin is touched yet.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use gatehouse_board::bridge::ClockTrust;
use gatehouse_board::memory::Memory;
use gatehouse_board::preflight::obstacles;
use gatehouse_board::scan::{Scanner, Thing};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::Board;
use gatehouse_board::{Bridge, BridgeParts};
use gatehouse_model::{Clock, GatewayInfo, Randomness as _};
use tokio::sync::watch;
use tracing::warn;

use crate::config::Config;
use crate::paths;
use crate::stand_in::Home;
use crate::system::SystemRandomness;
use crate::wiring::{BoardView, clock_trust};

/// The board with its bridge, and what it takes to look at it.
pub(super) struct OpenBoard {
    pub(super) bridge: Bridge,
    pub(super) info: GatewayInfo,
    pub(super) board: BoardView,
    pub(super) found: watch::Sender<Vec<Thing>>,
    pub(super) clock_trust: ClockTrust,
}

pub(super) fn open_board(
    config: &Config,
    home: &Home,
    demo: bool,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<OpenBoard> {
    // The disk that is watched is the one with the data, also while the gateway works elsewhere.
    let host = config.board.places(home.data());
    let board_name = host.board_name();
    let devices = config.devices.clone();
    let simulated = demo.then(|| {
        let mut seed = [0; 8];
        SystemRandomness.fill(&mut seed);
        SimulatedBoard::new(&devices, u64::from_le_bytes(seed), clock.clone())
    });
    let board: Arc<dyn Board> = match &simulated {
        Some(simulated) => Arc::new(simulated.clone()),
        None => config.board.open(home.data(), clock),
    };
    let scheme = config.gateway.scheme.clone();
    let memory = open_memory(home.directory(), clock)?;
    let places = host.clone();
    let parts = BridgeParts { scheme, devices, board: board.clone(), host, memory, clock: clock.clone() };
    let clock_trust = clock_trust(demo, &config.board.sys);
    let bridge = Bridge::new(parts)?.trusting_clock(clock_trust.clone());
    for obstacle in obstacles(&*board, &config.devices) {
        warn!("{obstacle}");
    }
    let (found, told) = watch::channel(Vec::new());
    let scanner = Scanner::new(board.clone(), bridge.buses(), config.devices.clone());
    let view = BoardView {
        board,
        simulated,
        places,
        scanner,
        is_header: config.board.chip.is_none(),
        tree: Arc::default(),
        survey: Arc::default(),
        found: told,
        clock: clock.clone(),
    };
    let info = GatewayInfo {
        name: config.gateway.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        board: board_name,
        base: config.gateway.scheme.base().to_owned(),
        devices: bridge.inventory(),
    };
    Ok(OpenBoard { bridge, info, board: view, found, clock_trust })
}

/// What the board remembers over a power cut.
fn open_memory(directory: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<Memory> {
    let file = directory.join(paths::BOARD_FILE);
    let (memory, notice) = Memory::open(&file, clock.clone())
        .with_context(|| format!("what the board remembers in {} cannot be opened", file.display()))?;
    if notice.may_have_lost() {
        warn!("{notice}");
    }
    Ok(memory)
}

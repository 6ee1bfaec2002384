//! The limits in `[broker]`.

use std::time::Duration;

use gatehouse_broker::Settings;
use gatehouse_model::Qos;

use super::problems::Findings;
use super::section::Section;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Shortest and longest a client may take to log in: less cuts off slow links, more lets silent connections pile up.
const LOGIN_LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// Shortest and longest keep-alive that can be asked of clients: the field has 16 bits.
const KEEP_ALIVE_LIMITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(65_535));

/// Longest that sessions can be kept: what waits in them takes memory and disk.
const LONGEST_SESSION: Duration = Duration::from_secs(366 * 24 * 3_600);

/// The limits in `[broker]`.
pub(super) fn read(section: &mut Section<'_>, findings: &mut Findings) -> Settings {
    let mut settings = Settings::default();
    limits(section, &mut settings, findings);
    settings
}

/// Puts every limit that is given in the place of its default.
fn limits(section: &mut Section<'_>, settings: &mut Settings, findings: &mut Findings) {
    let mut sizes: [(&'static str, (u64, u64), &mut usize); 6] = [
        // Below these a client of a house has no room for what it gets when it is back.
        ("queued_bytes", (64 * KIB, 1_024 * MIB), &mut settings.queued_bytes),
        ("outbound_bytes", (64 * KIB, 256 * MIB), &mut settings.outbound_bytes),
        ("incoming_bytes", (MIB, 16 * 1_024 * MIB), &mut settings.incoming_bytes),
        ("total_waiting_bytes", (MIB, 16 * 1_024 * MIB), &mut settings.total_waiting_bytes),
        ("retained_bytes", (MIB, 16 * 1_024 * MIB), &mut settings.retained_bytes),
        ("subscription_bytes", (MIB, 4_096 * MIB), &mut settings.subscription_bytes),
    ];
    for (key, limits, setting) in &mut sizes {
        set(*setting, section.bytes_within(key, *limits, findings));
    }
    let mut counts: [(&'static str, (u64, u64), &mut usize); 9] = [
        // A connection takes a file descriptor; far beyond this the machine has none left.
        ("max_connections", (1, 100_000), &mut settings.max_connections),
        ("max_newcomers", (1, 100_000), &mut settings.max_newcomers),
        ("max_newcomers_of_one_address", (1, 100_000), &mut settings.max_newcomers_of_one_address),
        // Each login may take tens of megabytes while it is checked.
        ("concurrent_logins", (1, 16), &mut settings.concurrent_logins),
        ("max_sessions", (1, 1_000_000), &mut settings.max_sessions),
        ("sessions_per_user", (1, 1_000_000), &mut settings.sessions_per_user),
        ("queued_messages", (1, 32_768), &mut settings.queued_messages),
        ("subscriptions_per_session", (1, 65_536), &mut settings.subscriptions_per_session),
        ("retained_messages", (1, 10_000_000), &mut settings.retained_messages),
    ];
    for (key, limits, setting) in &mut counts {
        set(*setting, section.whole_within(key, *limits, findings));
    }
    let mut fields: [(&'static str, (u64, u64), &mut u16); 4] = [
        ("in_flight_messages", (1, 32_766), &mut settings.in_flight_messages),
        ("receive_maximum", (1, 65_535), &mut settings.receive_maximum),
        ("topic_alias_maximum", (0, 65_535), &mut settings.topic_alias_maximum),
        ("outgoing_topic_aliases", (0, 1_024), &mut settings.outgoing_topic_aliases),
    ];
    for (key, limits, setting) in &mut fields {
        set(*setting, section.whole_within(key, *limits, findings));
    }
    let mut flags = [
        ("retain_available", &mut settings.retain_available),
        ("wildcard_subscriptions", &mut settings.wildcard_subscriptions),
        ("subscription_identifiers", &mut settings.subscription_identifiers),
        ("shared_subscriptions", &mut settings.shared_subscriptions),
    ];
    for (key, setting) in &mut flags {
        **setting = section.flag(key, findings).unwrap_or(**setting);
    }
    // The standard asks for identifiers of 23 characters; the field has 16 bits.
    set(
        &mut settings.max_client_id_bytes,
        section.whole_within("max_client_id_bytes", (23, 65_535), findings),
    );
    // The largest packet of the format. What one client sends has to fit into memory next to everything else.
    set(&mut settings.max_packet_bytes, section.bytes_within("max_packet_bytes", (KIB, 256 * MIB), findings));
    set(&mut settings.max_connect_bytes, section.bytes_within("max_connect_bytes", (KIB, MIB), findings));
    if let Some(level) = section.whole_within("maximum_qos", (0, 2), findings) {
        settings.maximum_qos =
            u8::try_from(level).ok().and_then(Qos::from_level).unwrap_or(settings.maximum_qos);
    }
    let mut times = [
        ("handshake_time", LOGIN_LIMITS, "10s", &mut settings.handshake_time),
        ("login_time", LOGIN_LIMITS, "1m", &mut settings.login_time),
        ("max_session_expiry", (Duration::ZERO, LONGEST_SESSION), "30d", &mut settings.max_session_expiry),
    ];
    for (key, limits, example, setting) in &mut times {
        **setting = section.duration_within(key, *limits, example, findings).unwrap_or(**setting);
    }
    if let Some(longest) = section.duration_within("max_keep_alive", KEEP_ALIVE_LIMITS, "10m", findings) {
        set(&mut settings.max_keep_alive_seconds, Some(longest.as_secs()));
    }
}

/// Sets a number to what was read; it has been held to limits that its type can express.
fn set<T: TryFrom<u64> + Copy>(setting: &mut T, read: Option<u64>) {
    if let Some(read) = read.and_then(|read| T::try_from(read).ok()) {
        *setting = read;
    }
}

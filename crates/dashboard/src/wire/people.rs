//! People, their phones, tokens, and what is written down of them.

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::RoleWord;
use crate::NamedRights;
use crate::accounts::{ApiToken, AuditEntry, Deed, Scope};

/// Everybody who may come in, and what they may be allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct People {
    /// In the order of their names.
    pub users: Vec<UserView>,
    /// The rights sets: `admin`, `operator`, `viewer`, and those of the configuration.
    pub rights: Vec<RightsView>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct UserView {
    /// The name.
    pub name: String,
    /// What this user may do at the page.
    pub role: RoleWord,
    /// The rights set that holds over MQTT in the place of the role's; null when the role's does.
    #[schema(required = true)]
    pub rights: Option<String>,
    /// Browsers in which this user is logged in.
    pub sessions: u32,
    /// When one of them was last used, to the hour, or when an MQTT client that logs in as this user was last heard; null when
    /// neither is known.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_seen: Option<Timestamp>,
    /// Whether an MQTT client is connected that logged in as this user itself.
    pub connected: bool,
    /// The phones and devices of this user.
    pub clients: Vec<ClientCredential>,
}

/// A phone or device with a password of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct ClientCredential {
    /// The name, which no other client of this user has.
    pub name: String,
    /// The user name over MQTT: `user:client`.
    pub login: String,
    /// The rights set; it may do what this and the user's both allow.
    pub rights: String,
    /// When it was made (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When it logged in or was heard last; null when it never was.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_seen: Option<Timestamp>,
    /// Whether it is connected.
    pub connected: bool,
    /// Where from; null when it is not connected.
    #[schema(required = true)]
    pub address: Option<String>,
}

/// A rights set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct RightsView {
    /// Its name.
    pub name: String,
    /// The topics that may be published to; `%u` is the user, `%c` the client identifier.
    pub publish: Vec<String>,
    /// The topics that may be received.
    pub subscribe: Vec<String>,
}

impl From<NamedRights> for RightsView {
    fn from(NamedRights { name, publish, subscribe }: NamedRights) -> Self {
        Self { name, publish, subscribe }
    }
}

/// A user to be.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// The name: letters and digits, with `.`, `_` or `-` inside.
    pub name: String,
    /// What the user may do.
    pub role: RoleWord,
    /// The password.
    pub password: String,
}

/// What changes about a user. What is left out stays.
#[derive(Clone, Default, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields, default)]
pub struct UserChange {
    /// Another role.
    #[ts(optional)]
    pub role: Option<RoleWord>,
    /// Another password. It ends the user's sessions, and takes the user's tokens back unless `keep_tokens`.
    #[ts(optional)]
    pub password: Option<String>,
    /// Another rights set for MQTT; empty for that of the role again.
    #[ts(optional)]
    pub rights: Option<String>,
    /// Log out everywhere: it ends the user's sessions, and takes the user's tokens back unless `keep_tokens`.
    #[ts(optional)]
    pub log_out: Option<bool>,
    /// Tokens for scripts go on with a new password and over a log-out everywhere.
    #[ts(optional)]
    pub keep_tokens: Option<bool>,
}

/// A client to be.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct ClientRequest {
    /// The name: letters and digits, with `.`, `_` or `-` inside.
    pub name: String,
    /// The rights set.
    pub rights: String,
}

/// What changes about a client. What is left out stays.
#[derive(Clone, Default, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields, default)]
pub struct ClientChange {
    /// Another rights set.
    #[ts(optional)]
    pub rights: Option<String>,
}

/// A new client, with its password, which is shown this one time.
#[derive(Clone, Serialize, ToSchema, TS)]
pub struct ClientMade {
    /// The client.
    pub client: ClientCredential,
    /// Its password.
    pub password: String,
}

/// Pairs a phone: makes a client, or gives one that there is a new password.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct PairingRequest {
    /// The user whose it is.
    pub user: String,
    /// The client's name.
    pub name: String,
    /// The rights set of a new client.
    pub rights: String,
    /// Gives the client that there is a new password, and closes its connections.
    #[serde(default)]
    #[ts(optional)]
    pub renew: Option<bool>,
}

/// Everything that an MQTT app needs.
#[derive(Clone, Serialize, ToSchema, TS)]
pub struct Pairing {
    /// The client.
    pub client: ClientCredential,
    /// Its password, which is shown this one time.
    pub password: String,
    /// The gateway's host names, the best first.
    pub hosts: Vec<String>,
    /// Its addresses, the best first.
    pub addresses: Vec<String>,
    /// Its ports.
    pub ports: PairingPorts,
    /// The path of MQTT over WebSocket.
    pub path: String,
    /// The first levels of all topics.
    pub base: String,
    /// Whether there is an authority to install: `/ca.crt` and `/ca.mobileconfig`.
    pub authority: bool,
}

/// Where MQTT is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct PairingPorts {
    /// MQTT.
    pub mqtt: u16,
    /// MQTT with TLS; null when it is off.
    #[schema(required = true)]
    pub mqtts: Option<u16>,
    /// MQTT over WebSocket.
    pub ws: u16,
    /// MQTT over WebSocket with TLS; null when it is off.
    #[schema(required = true)]
    pub wss: Option<u16>,
}

/// The clients of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct MqttConnections {
    /// In the order of their identifiers.
    pub connections: Vec<MqttConnectionView>,
}

/// A client of the broker, connected or with a session that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct MqttConnectionView {
    /// The MQTT client identifier.
    pub client_id: String,
    /// The name that it logged in with: `user`, or `user:client`.
    pub login: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Where from; null when it is not connected.
    #[schema(required = true)]
    pub address: Option<String>,
    /// The version of MQTT; null when it is not connected.
    #[schema(required = true)]
    pub protocol: Option<String>,
    /// Since when it is connected; null when it is not.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub since: Option<Timestamp>,
    /// When anything was heard of it last; null when that is not known.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_seen: Option<Timestamp>,
    /// Topic filters that it is subscribed to.
    pub subscriptions: u32,
    /// Messages that wait to be sent.
    pub queued: u32,
    /// Messages that were dropped.
    pub dropped: u64,
}

/// What a token may do, as far as its user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, TS)]
#[serde(rename_all = "lowercase")]
#[ts(rename = "Scope")]
#[schema(as = Scope)]
pub enum ScopeWord {
    /// Look.
    Read,
    /// Look and switch.
    Switch,
    /// Everything.
    Administer,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Switch => Self::Switch,
            ScopeWord::Administer => Self::Administer,
        }
    }
}

impl From<Scope> for ScopeWord {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Switch => Self::Switch,
            Scope::Administer => Self::Administer,
        }
    }
}

/// All tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Tokens {
    /// In the order of their users and names.
    pub tokens: Vec<TokenView>,
}

/// A token for scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct TokenView {
    /// Its number.
    pub id: i64,
    /// The user for whom it stands.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scope: ScopeWord,
    /// When it was made (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When it was last used, to the minute; null when it never was.
    #[ts(type = "string | null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_used: Option<Timestamp>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        let ApiToken { id, user, name, scope, created, last_used } = token;
        Self { id, user, name, scope: scope.into(), created, last_used }
    }
}

/// A token to be. It stands for who makes it.
#[derive(Clone, Deserialize, ToSchema, TS)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for: letters and digits, with `.`, `_` or `-` inside.
    pub name: String,
    /// What it may do.
    pub scope: ScopeWord,
}

/// A new token, with its text, which is shown this one time.
#[derive(Clone, Serialize, ToSchema, TS)]
pub struct TokenMade {
    /// The token.
    pub token: TokenView,
    /// What to send as `Authorization: Bearer …`.
    pub secret: String,
}

/// Some entries of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditView>,
    /// What to ask for as `before` to go on; null at the end.
    #[schema(required = true)]
    pub next: Option<i64>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct AuditView {
    /// Its number; later ones have larger ones.
    pub id: i64,
    /// When (RFC 3339, UTC).
    #[ts(type = "string")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What.
    pub what: AuditWord,
    /// Whether something was refused.
    pub refused: bool,
    /// The user, `user/token` of a script, or `command line`; null of a stranger.
    #[schema(required = true)]
    pub who: Option<String>,
    /// Where from; null when nobody came over the network.
    #[schema(required = true)]
    pub address: Option<String>,
    /// Whom or what it was done to.
    #[schema(required = true)]
    pub about: Option<String>,
    /// More about it: the new role, the path that was asked for.
    #[schema(required = true)]
    pub detail: Option<String>,
    /// How often: the same that is refused again within a minute is counted in the entry of the first. One without who and
    /// where from stands for all that were refused beyond thirty of a kind in a minute.
    #[ts(type = "number")]
    pub times: i64,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, deed, by, about, detail, times } = entry;
        let address = by.address.map(|address| address.to_string());
        let (what, refused, who) = (deed.into(), deed.is_refusal(), by.name);
        Self { id, at, what, refused, who, address, about, detail, times }
    }
}

/// Words of the wire for the deeds of the accounts.
macro_rules! audit_words {
    ($($(#[$about:meta])+ $name:ident),* $(,)?) => {
        /// What an entry of the audit log is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema, TS)]
        #[serde(rename_all = "kebab-case")]
        pub enum AuditWord {
            $($(#[$about])+ $name,)*
        }

        impl From<Deed> for AuditWord {
            fn from(deed: Deed) -> Self {
                match deed {
                    $(Deed::$name => Self::$name,)*
                }
            }
        }
    };
}

audit_words! {
    /// Somebody logged in to the page.
    LogIn,
    /// Somebody logged out of the page.
    LogOut,
    /// An MQTT client came in from an address from which it had not come since the start.
    MqttLogIn,
    /// The first administrator was made with the set-up code.
    SetUp,
    /// A user was added.
    UserAdded,
    /// A user was removed.
    UserRemoved,
    /// A user has another role.
    RoleChanged,
    /// A user has other rights over MQTT.
    RightsChanged,
    /// A user has another password.
    PasswordChanged,
    /// A user's sessions were ended.
    LoggedOutEverywhere,
    /// A client was added.
    ClientAdded,
    /// A client was removed.
    ClientRemoved,
    /// A client has other rights.
    ClientRightsChanged,
    /// A client has another password.
    ClientPasswordChanged,
    /// The connection of an MQTT client was closed.
    Disconnected,
    /// A token was made.
    TokenAdded,
    /// A token was taken back.
    TokenRemoved,
    /// The configuration was changed.
    ConfigurationChanged,
    /// The gateway was restarted from the page.
    Restarted,
    /// The machine was changed by the helper that mends.
    MachineMended,
    /// A backup was made.
    BackupMade,
    /// A backup was loaded down.
    BackupTaken,
    /// Somebody asked to put a backup back.
    RestoreBegun,
    /// A backup was put back: what stands before this is from it.
    Restored,
    /// Refused: name or password, at the page.
    LogInFailed,
    /// Refused: name or password, over MQTT.
    MqttLogInFailed,
    /// Refused: the set-up code was wrong.
    SetUpFailed,
    /// Refused: the role or the scope does not allow it.
    Forbidden,
    /// Refused: a cookie or a token that does not hold (any more).
    StaleCredential,
    /// Refused: a request that a page of another site made.
    CrossSite,
    /// Refused: a request under a name that is not the gateway's.
    UnknownHost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_wire_are_those_of_the_file() {
        for deed in Deed::ALL {
            let word = serde_json::to_value(AuditWord::from(deed)).unwrap();
            assert_eq!(word, deed.as_str());
        }
    }
}

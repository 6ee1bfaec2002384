//! What happened to accounts and rights, and who was refused: a bounded diary in the accounts' file.
//!
//! It answers "who did that, from where, and when" after the fact. Each kind of event has a bound of its own ([`Shelf`]),
//! so that neither a tablet that logs in every hour nor a stranger who is turned away at the door all night pushes out
//! what an administrator has done.

use std::net::IpAddr;

use gatehouse_model::Timestamp;

use super::{Accounts, AccountsError};

/// Most entries about changes of accounts, rights and the configuration: years of a household, some two MB.
pub const MAX_AUDIT_CHANGES: i64 = 10_000;

/// Most entries about who came and went.
pub const MAX_AUDIT_VISITS: i64 = 4_000;

/// Most entries about log-ins that were refused.
pub const MAX_AUDIT_WRONG_LOG_INS: i64 = 2_000;

/// Most entries about what else was refused.
pub const MAX_AUDIT_REFUSALS: i64 = 2_000;

/// Most entries of one page of the diary.
pub const MAX_AUDIT_PAGE: u32 = 200;

/// Longest text of a column, in characters: what strangers send may be long.
const MAX_TEXT: usize = 200;

/// Where entries of a kind are kept, apart from those of other kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shelf {
    /// Changes of accounts, rights and the configuration.
    Changes,
    /// Who came and went.
    Visits,
    /// Log-ins that were refused.
    WrongLogIns,
    /// What else was refused.
    Refusals,
}

impl Shelf {
    /// The word in the file.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Visits => "visits",
            Self::WrongLogIns => "wrong-log-ins",
            Self::Refusals => "refusals",
        }
    }

    /// How many entries there is room for; the oldest make room for new ones.
    const fn room(self) -> i64 {
        match self {
            Self::Changes => MAX_AUDIT_CHANGES,
            Self::Visits => MAX_AUDIT_VISITS,
            Self::WrongLogIns => MAX_AUDIT_WRONG_LOG_INS,
            Self::Refusals => MAX_AUDIT_REFUSALS,
        }
    }
}

/// What an entry of the diary is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
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
    /// A client below a user was added.
    ClientAdded,
    /// A client below a user was removed.
    ClientRemoved,
    /// A client has other rights.
    ClientRightsChanged,
    /// A client has another password.
    ClientPasswordChanged,
    /// The connection of an MQTT client was closed.
    Disconnected,
    /// A token for the API was made.
    TokenAdded,
    /// A token for the API was taken back.
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
    /// Refused: somebody asked for what the role or the scope does not allow.
    Forbidden,
    /// Refused: a cookie or a token that does not hold (any more).
    StaleCredential,
    /// Refused: a request that a page of another site made.
    CrossSite,
    /// Refused: a request under a name that is not the gateway's.
    UnknownHost,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::LogIn,
        Self::LogOut,
        Self::MqttLogIn,
        Self::SetUp,
        Self::UserAdded,
        Self::UserRemoved,
        Self::RoleChanged,
        Self::RightsChanged,
        Self::PasswordChanged,
        Self::LoggedOutEverywhere,
        Self::ClientAdded,
        Self::ClientRemoved,
        Self::ClientRightsChanged,
        Self::ClientPasswordChanged,
        Self::Disconnected,
        Self::TokenAdded,
        Self::TokenRemoved,
        Self::ConfigurationChanged,
        Self::Restarted,
        Self::MachineMended,
        Self::BackupMade,
        Self::BackupTaken,
        Self::RestoreBegun,
        Self::Restored,
        Self::LogInFailed,
        Self::MqttLogInFailed,
        Self::SetUpFailed,
        Self::Forbidden,
        Self::StaleCredential,
        Self::CrossSite,
        Self::UnknownHost,
    ];

    /// The word for it in the file and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LogIn => "log-in",
            Self::LogOut => "log-out",
            Self::MqttLogIn => "mqtt-log-in",
            Self::SetUp => "set-up",
            Self::UserAdded => "user-added",
            Self::UserRemoved => "user-removed",
            Self::RoleChanged => "role-changed",
            Self::RightsChanged => "rights-changed",
            Self::PasswordChanged => "password-changed",
            Self::LoggedOutEverywhere => "logged-out-everywhere",
            Self::ClientAdded => "client-added",
            Self::ClientRemoved => "client-removed",
            Self::ClientRightsChanged => "client-rights-changed",
            Self::ClientPasswordChanged => "client-password-changed",
            Self::Disconnected => "disconnected",
            Self::TokenAdded => "token-added",
            Self::TokenRemoved => "token-removed",
            Self::ConfigurationChanged => "configuration-changed",
            Self::Restarted => "restarted",
            Self::MachineMended => "machine-mended",
            Self::BackupMade => "backup-made",
            Self::BackupTaken => "backup-taken",
            Self::RestoreBegun => "restore-begun",
            Self::Restored => "restored",
            Self::LogInFailed => "log-in-failed",
            Self::MqttLogInFailed => "mqtt-log-in-failed",
            Self::SetUpFailed => "set-up-failed",
            Self::Forbidden => "forbidden",
            Self::StaleCredential => "stale-credential",
            Self::CrossSite => "cross-site",
            Self::UnknownHost => "unknown-host",
        }
    }

    /// Whether something was refused.
    pub const fn is_refusal(self) -> bool {
        matches!(self.shelf(), Shelf::WrongLogIns | Shelf::Refusals)
    }

    const fn shelf(self) -> Shelf {
        match self {
            Self::LogIn | Self::LogOut | Self::MqttLogIn | Self::Disconnected => Shelf::Visits,
            Self::SetUp
            | Self::UserAdded
            | Self::UserRemoved
            | Self::RoleChanged
            | Self::RightsChanged
            | Self::PasswordChanged
            | Self::LoggedOutEverywhere
            | Self::ClientAdded
            | Self::ClientRemoved
            | Self::ClientRightsChanged
            | Self::ClientPasswordChanged
            | Self::TokenAdded
            | Self::TokenRemoved
            | Self::ConfigurationChanged
            | Self::Restarted
            | Self::MachineMended
            | Self::BackupMade
            | Self::BackupTaken
            | Self::RestoreBegun
            | Self::Restored => Shelf::Changes,
            Self::LogInFailed | Self::MqttLogInFailed | Self::SetUpFailed => Shelf::WrongLogIns,
            Self::Forbidden | Self::StaleCredential | Self::CrossSite | Self::UnknownHost => Shelf::Refusals,
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == word)
    }
}

/// Who did something, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct By {
    /// The user, `user/token` for a script, or `command line`.
    pub name: Option<String>,
    /// Where from.
    pub address: Option<IpAddr>,
}

impl By {
    /// Somebody at the machine itself.
    pub fn command_line() -> Self {
        Self { name: Some("command line".to_owned()), address: None }
    }

    /// Somebody who has not said, or not proved, who it is.
    pub fn stranger(address: IpAddr) -> Self {
        Self { name: None, address: Some(address) }
    }
}

/// An entry of the diary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; later ones have larger ones.
    pub id: i64,
    /// When, by the gateway's clock.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
    /// Who, and where from.
    pub by: By,
    /// Whom or what it was done to.
    pub about: Option<String>,
    /// More about it: the new role, the path that was asked for.
    pub detail: Option<String>,
    /// How often, from the first on: the same that was refused again within a minute has no entry of its own. One of
    /// nobody's address stands for all that were refused beyond what has entries.
    pub times: i64,
}

type AuditRow = (i64, i64, String, Option<String>, Option<String>, Option<String>, Option<String>, i64);

impl Accounts {
    /// Writes down what was done or refused: `about` whom or what, with more in `detail`. A disk that does not take it
    /// keeps nobody from anything, and is told in the log; of refusals that come again and again there is one entry with
    /// how many there were.
    pub async fn note(&self, deed: Deed, by: &By, about: Option<&str>, detail: Option<&str>) {
        let about = about.map(cut);
        let about = about.as_deref();
        let written = if deed.is_refusal() {
            tracing::debug!(what = deed.as_str(), ?by, about, detail, "refused");
            self.note_refusal(deed, by, about, detail).await
        } else {
            self.write_note(deed, by, about, detail).await.map(drop)
        };
        if let Err(error) = written {
            tracing::warn!(%error, what = deed.as_str(), "an entry of the audit log could not be written");
        }
    }

    /// Writes an entry, and gives its number.
    pub(super) async fn write_note(
        &self,
        deed: Deed,
        by: &By,
        about: Option<&str>,
        detail: Option<&str>,
    ) -> Result<i64, AccountsError> {
        let shelf = deed.shelf();
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let written = sqlx::query(
            "INSERT INTO audit (at_ms, what, refusal, shelf, who, address, about, detail)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.inner.clock.now().as_millis())
        .bind(deed.as_str())
        .bind(deed.is_refusal())
        .bind(shelf.as_str())
        .bind(by.name.as_deref().map(cut))
        .bind(by.address.map(|address| address.to_string()))
        .bind(about)
        .bind(detail.map(cut))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM audit WHERE shelf = ?1 AND id <=
             (SELECT id FROM audit WHERE shelf = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(shelf.as_str())
        .bind(shelf.room())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(written.last_insert_rowid())
    }

    /// The newest entries, at most `limit`, before the entry with the number `before` if one is given; only what was
    /// refused when `refusals_only`.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn audit(
        &self,
        before: Option<i64>,
        limit: u32,
        refusals_only: bool,
    ) -> Result<Vec<AuditEntry>, AccountsError> {
        self.inner.tell_refusals(true).await;
        let rows: Vec<AuditRow> = sqlx::query_as(
            "SELECT id, at_ms, what, who, address, about, detail, times FROM audit
             WHERE id < ?1 AND refusal >= ?2 ORDER BY id DESC LIMIT ?3",
        )
        .bind(before.unwrap_or(i64::MAX))
        .bind(refusals_only)
        .bind(limit.min(MAX_AUDIT_PAGE))
        .fetch_all(&self.inner.pool)
        .await?;
        Ok(rows.into_iter().filter_map(entry_of).collect())
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// What a later release wrote and this one does not know is left out.
fn entry_of((id, at, what, name, address, about, detail, times): AuditRow) -> Option<AuditEntry> {
    let by = By { name, address: address.and_then(|address| address.parse().ok()) };
    let (at, deed) = (Timestamp::from_millis(at), Deed::of_word(&what)?);
    Some(AuditEntry { id, at, deed, by, about, detail, times })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::time::Duration;

    use gatehouse_model::{ManualClock, SeededRandomness};

    use super::*;

    /// The same refusal again is news again.
    const MINUTE: Duration = Duration::from_secs(60);

    async fn open(folder: &tempfile::TempDir) -> (Accounts, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let path = folder.path().join("gatehouse.db");
        (Accounts::open(&path, clock.clone(), Arc::new(SeededRandomness::new(1))).await.unwrap(), clock)
    }

    fn stranger(number: u32) -> By {
        By::stranger(Ipv4Addr::from_bits(0x0A00_0000 + number).into())
    }

    #[tokio::test]
    async fn what_was_done_is_told_newest_first_and_page_by_page() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, _) = open(&folder).await;
        let by = By { name: Some("ana".to_owned()), address: Some(Ipv4Addr::LOCALHOST.into()) };
        for name in ["a", "b", "c"] {
            accounts.note(Deed::UserAdded, &by, Some(name), Some("viewer")).await;
        }
        accounts.note(Deed::UnknownHost, &stranger(1), Some(&"x".repeat(9_000)), None).await;
        let all = accounts.audit(None, 10, false).await.unwrap();
        let abouts = |entries: &[AuditEntry]| -> Vec<String> {
            entries.iter().map(|entry| entry.about.clone().unwrap()).collect()
        };
        assert_eq!(abouts(&all)[1..], ["c", "b", "a"]);
        assert_eq!(all[0].about.as_ref().unwrap().len(), MAX_TEXT);
        assert_eq!(
            (&all[3].by, all[3].deed, all[3].detail.as_deref()),
            (&by, Deed::UserAdded, Some("viewer"))
        );
        let page = accounts.audit(Some(all[1].id), 1, false).await.unwrap();
        assert_eq!(abouts(&page), ["b"]);
        assert_eq!(accounts.audit(None, 10, true).await.unwrap(), all[..1]);
    }

    /// Somebody who guesses all night must not push out what was done.
    #[tokio::test]
    async fn refusals_are_bounded_and_leave_the_rest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, clock) = open(&folder).await;
        accounts.note(Deed::UserAdded, &By::command_line(), Some("ana"), None).await;
        let fill = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MAX_AUDIT_WRONG_LOG_INS})
             INSERT INTO audit (at_ms, what, refusal, shelf) SELECT n, 'log-in-failed', 1, 'wrong-log-ins' FROM n"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(&accounts.inner.pool).await.unwrap();
        clock.advance(MINUTE);
        accounts.note(Deed::LogInFailed, &stranger(7), None, None).await;
        assert_eq!(on_shelf(&accounts, Shelf::WrongLogIns).await, MAX_AUDIT_WRONG_LOG_INS);
        let oldest = accounts.audit(Some(2), 10, false).await.unwrap();
        assert_eq!(oldest[0].deed, Deed::UserAdded, "what was done is still there");
    }

    async fn on_shelf(accounts: &Accounts, shelf: Shelf) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM audit WHERE shelf = ?").bind(shelf.as_str());
        count.fetch_one(&accounts.inner.pool).await.unwrap()
    }

    /// A script with a password that logs in every minute pushed out, within a week, who had made whom an administrator.
    #[tokio::test]
    async fn who_comes_and_goes_and_who_guesses_push_out_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, clock) = open(&folder).await;
        let by = By::command_line();
        accounts.note(Deed::RoleChanged, &by, Some("eva"), Some("admin")).await;
        accounts.note(Deed::CrossSite, &stranger(1), Some("http://evil.example"), None).await;
        for (deed, shelf) in [(Deed::LogIn, Shelf::Visits), (Deed::LogInFailed, Shelf::WrongLogIns)] {
            let fill = format!(
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {})
                 INSERT INTO audit (at_ms, what, refusal, shelf) SELECT n, '{}', {}, '{}' FROM n",
                shelf.room(),
                deed.as_str(),
                i32::from(deed.is_refusal()),
                shelf.as_str()
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(&accounts.inner.pool).await.unwrap();
        }
        for number in 0..10 {
            clock.advance(MINUTE);
            for deed in [Deed::LogIn, Deed::LogOut, Deed::MqttLogIn, Deed::MqttLogInFailed] {
                accounts.note(deed, &stranger(number), None, None).await;
            }
        }
        assert_eq!(on_shelf(&accounts, Shelf::Visits).await, MAX_AUDIT_VISITS);
        assert_eq!(on_shelf(&accounts, Shelf::WrongLogIns).await, MAX_AUDIT_WRONG_LOG_INS);
        let oldest: Vec<Deed> =
            accounts.audit(Some(3), 10, false).await.unwrap().iter().map(|entry| entry.deed).collect();
        assert_eq!(oldest, [Deed::CrossSite, Deed::RoleChanged]);
    }

    /// The entries of a file from before have to count where those of their kind do.
    #[tokio::test]
    async fn an_older_diary_is_sorted_onto_its_shelves() {
        let folder = tempfile::tempdir().unwrap();
        let (accounts, _) = open(&folder).await;
        let older = "DROP INDEX audit_by_shelf; ALTER TABLE audit DROP COLUMN shelf;
                     ALTER TABLE audit DROP COLUMN times; PRAGMA user_version = 5";
        sqlx::raw_sql(older).execute(&accounts.inner.pool).await.unwrap();
        for (number, deed) in Deed::ALL.into_iter().enumerate() {
            sqlx::query("INSERT INTO audit (at_ms, what, refusal) VALUES (?, ?, ?)")
                .bind(i64::try_from(number).unwrap())
                .bind(deed.as_str())
                .bind(deed.is_refusal())
                .execute(&accounts.inner.pool)
                .await
                .unwrap();
        }
        accounts.close().await;
        let (accounts, _) = open(&folder).await;
        let shelves: Vec<(String, String)> =
            sqlx::query_as("SELECT what, shelf FROM audit").fetch_all(&accounts.inner.pool).await.unwrap();
        assert_eq!(shelves.len(), Deed::ALL.len());
        for (what, shelf) in shelves {
            assert_eq!(shelf, Deed::of_word(&what).unwrap().shelf().as_str(), "{what}");
        }
    }

    #[test]
    fn every_deed_has_its_own_word() {
        for deed in Deed::ALL {
            assert_eq!(Deed::of_word(deed.as_str()), Some(deed));
        }
    }
}

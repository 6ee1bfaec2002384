//! Clients below a user: credentials for one phone or one device, with rights of their own, that can be taken back alone.
//!
//! Over MQTT such a client logs in with the user name `user:client`. A name and a password are what every MQTT program
//! has fields for; a colon is not allowed in names here, so the two can always be told apart, it is easy to type on a
//! phone, and other brokers put two names into the field in the same way. Only in an address such as
//! `mqtt://user:client@host` it has to be written `%3A`.

use std::sync::Arc;

use gatehouse_model::{Randomness, Timestamp};

use super::{Accounts, AccountsError, MAX_PASSWORD_BYTES, User, UserRow, rules};

/// Most clients of all users together: several times what a house has.
pub const MAX_CLIENTS: i64 = 1_024;

/// Stands between the names of user and client in a login.
const SEPARATOR: char = ':';

/// How exactly the last login is known, in milliseconds. A client that reconnects all the time does not write to the
/// disk each time.
const LOGIN_NOTED_EVERY_MS: i64 = 60_000;

/// Letters and digits that nobody mixes up when typing them into a phone.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Characters of a password that is made here: 80 bits.
const PASSWORD_LENGTH: usize = 16;

/// A phone or device of a user, with its own password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The user whose it is.
    pub user: Arc<str>,
    /// Its name below the user.
    pub name: Arc<str>,
    /// The name of its rights set. It may do what this set and the user's both allow.
    pub rights: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last logged in, to the minute; nothing when it never has.
    pub last_login: Option<Timestamp>,
}

impl Client {
    /// Its user name over MQTT: `user:client`.
    pub fn login(&self) -> String {
        login_of(&self.user, &self.name)
    }
}

/// Who comes in over MQTT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttLogin {
    /// `user` or `user:client`, as the names were given when they were made.
    pub name: Arc<str>,
    /// The user.
    pub user: User,
    /// The rights set of the client, when it is one below the user.
    pub client_rights: Option<String>,
}

/// Who may come in, and the hash of the password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) login: MqttLogin,
    hash: String,
}

type ClientRow = (String, String, String, i64, Option<i64>);

fn client_of((user, name, rights, created, login): ClientRow) -> Client {
    Client {
        user: user.into(),
        name: name.into(),
        rights,
        created: Timestamp::from_millis(created),
        last_login: login.map(Timestamp::from_millis),
    }
}

pub(super) fn login_of(user: &str, client: &str) -> String {
    format!("{user}{SEPARATOR}{client}")
}

/// A random password that is easy to type.
pub fn random_password(randomness: &dyn Randomness) -> String {
    let mut bytes = [0; PASSWORD_LENGTH];
    randomness.fill(&mut bytes);
    // 32 divides 256, so that each character is as likely as the others.
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

impl Accounts {
    /// Adds a client below a user. The name of the rights set is taken as it is: what sets there are is for the caller
    /// to know, and one that there is not allows nothing.
    ///
    /// # Errors
    /// When there is no such user, name or password break a rule, the name is taken, or there are too many clients.
    pub async fn add_client(
        &self,
        user: &str,
        name: &str,
        rights: &str,
        password: &str,
    ) -> Result<Client, AccountsError> {
        rules::check_name(name)?;
        rules::check_password(password)?;
        let hash = self.inner.hasher.hash(password).await?;
        let (user_key, now) = (rules::key_of(user), self.inner.clock.now());
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let owner: Option<String> = sqlx::query_scalar("SELECT name FROM user WHERE key = ?")
            .bind(&user_key)
            .fetch_optional(&mut *transaction)
            .await?;
        let owner = owner.ok_or_else(|| AccountsError::UnknownUser(user.to_owned()))?;
        let clients: i64 =
            sqlx::query_scalar("SELECT count(*) FROM client").fetch_one(&mut *transaction).await?;
        if clients >= MAX_CLIENTS {
            return Err(AccountsError::TooManyClients);
        }
        let added = sqlx::query(
            "INSERT INTO client (user_key, key, name, rights, password, created_ms) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(&user_key)
        .bind(rules::key_of(name))
        .bind(name)
        .bind(rights)
        .bind(hash)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await?;
        if added.rows_affected() == 0 {
            return Err(AccountsError::NameTaken(login_of(&owner, name)));
        }
        transaction.commit().await?;
        let rights = rights.to_owned();
        Ok(Client { user: owner.into(), name: name.into(), rights, created: now, last_login: None })
    }

    /// Adds a client with a random password, which is given back and known to nobody else.
    ///
    /// # Errors
    /// As [`Accounts::add_client`].
    pub async fn add_client_with_random_password(
        &self,
        user: &str,
        name: &str,
        rights: &str,
    ) -> Result<(Client, String), AccountsError> {
        let password = random_password(&*self.inner.randomness);
        let client = self.add_client(user, name, rights, &password).await?;
        Ok((client, password))
    }

    /// All clients, in the order of their users and names.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn clients(&self) -> Result<Vec<Client>, AccountsError> {
        let rows: Vec<ClientRow> = sqlx::query_as(
            "SELECT user.name, client.name, client.rights, client.created_ms, client.login_ms
             FROM client JOIN user ON user.key = client.user_key ORDER BY client.user_key, client.key",
        )
        .fetch_all(&self.inner.pool)
        .await?;
        Ok(rows.into_iter().map(client_of).collect())
    }

    /// Removes a client; its user and the user's other clients stay.
    ///
    /// # Errors
    /// When there is no such client.
    pub async fn remove_client(&self, user: &str, name: &str) -> Result<(), AccountsError> {
        let removed = sqlx::query("DELETE FROM client WHERE user_key = ? AND key = ?")
            .bind(rules::key_of(user))
            .bind(rules::key_of(name))
            .execute(&self.inner.pool)
            .await?;
        self.changed(user, name, removed.rows_affected())
    }

    /// Gives a client another rights set.
    ///
    /// # Errors
    /// When there is no such client.
    pub async fn set_client_rights(&self, user: &str, name: &str, rights: &str) -> Result<(), AccountsError> {
        self.change_client("UPDATE client SET rights = ? WHERE user_key = ? AND key = ?", user, name, rights)
            .await
    }

    /// Gives a client another password.
    ///
    /// # Errors
    /// When there is no such client, or the password breaks a rule.
    pub async fn set_client_password(
        &self,
        user: &str,
        name: &str,
        password: &str,
    ) -> Result<(), AccountsError> {
        rules::check_password(password)?;
        let hash = self.inner.hasher.hash(password).await?;
        self.change_client("UPDATE client SET password = ? WHERE user_key = ? AND key = ?", user, name, &hash)
            .await
    }

    /// Gives a client a random password, which is given back and known to nobody else.
    ///
    /// # Errors
    /// When there is no such client.
    pub async fn renew_client_password(&self, user: &str, name: &str) -> Result<String, AccountsError> {
        let password = random_password(&*self.inner.randomness);
        self.set_client_password(user, name, &password).await?;
        Ok(password)
    }

    async fn change_client(
        &self,
        statement: &'static str,
        user: &str,
        name: &str,
        value: &str,
    ) -> Result<(), AccountsError> {
        let changed = sqlx::query(statement)
            .bind(value)
            .bind(rules::key_of(user))
            .bind(rules::key_of(name))
            .execute(&self.inner.pool)
            .await?;
        self.changed(user, name, changed.rows_affected())
    }

    fn changed(&self, user: &str, client: &str, rows: u64) -> Result<(), AccountsError> {
        if rows == 0 {
            let (user, client) = (user.to_owned(), client.to_owned());
            return Err(AccountsError::UnknownClient { user, client });
        }
        self.tell_of_change();
        Ok(())
    }

    /// Who a login name over MQTT stands for, whatever its small and large letters. It counts as a login: what changes
    /// from now on is told by [`Accounts::watch`].
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn find_mqtt(&self, name: &str) -> Result<Option<MqttLogin>, AccountsError> {
        let Some(entry) = self.look_up_mqtt(name).await? else { return Ok(None) };
        self.inner.granted.note(&entry.login, &entry.hash);
        Ok(Some(entry.login))
    }

    /// As [`Accounts::verify`], for the login names of MQTT.
    pub(super) async fn verify_mqtt(
        &self,
        name: &str,
        password: &[u8],
    ) -> Result<Option<MqttLogin>, AccountsError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(None);
        }
        let entry = self.look_up_mqtt(name).await?;
        let right = self.inner.hasher.matches(password, entry.as_ref().map(|entry| &*entry.hash)).await?;
        // As for users: what changed while the password was checked counts.
        match entry {
            Some(entry) if right && self.look_up_mqtt(name).await?.as_ref() == Some(&entry) => {
                self.inner.granted.note(&entry.login, &entry.hash);
                self.note_login(name).await;
                Ok(Some(entry.login))
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn look_up_mqtt(&self, name: &str) -> Result<Option<Entry>, AccountsError> {
        let Some((user, client)) = name.split_once(SEPARATOR) else {
            let Some((row, hash)) = self.look_up(name).await? else { return Ok(None) };
            let user = User::from_row(row)?;
            let login = MqttLogin { name: Arc::clone(&user.name), user, client_rights: None };
            return Ok(Some(Entry { login, hash }));
        };
        let row: Option<(String, String, Option<String>, String, String, String)> = sqlx::query_as(
            "SELECT user.name, user.role, user.rights, client.name, client.rights, client.password
             FROM client JOIN user ON user.key = client.user_key WHERE client.user_key = ? AND client.key = ?",
        )
        .bind(rules::key_of(user))
        .bind(rules::key_of(client))
        .fetch_optional(&self.inner.pool)
        .await?;
        let Some((user, role, rights, client, client_rights, hash)) = row else { return Ok(None) };
        let row: UserRow = (user, role, rights);
        let user = User::from_row(row)?;
        let name = login_of(&user.name, &client).into();
        Ok(Some(Entry { login: MqttLogin { name, user, client_rights: Some(client_rights) }, hash }))
    }

    /// Notes that a client logged in. A disk that does not take it keeps nobody out.
    async fn note_login(&self, name: &str) {
        let Some((user, client)) = name.split_once(SEPARATOR) else { return };
        let now = self.inner.clock.now();
        let before = now.as_millis().saturating_sub(LOGIN_NOTED_EVERY_MS);
        let noted = sqlx::query(
            "UPDATE client SET login_ms = ?3
             WHERE user_key = ?1 AND key = ?2 AND (login_ms IS NULL OR login_ms NOT BETWEEN ?4 AND ?3)",
        )
        .bind(rules::key_of(user))
        .bind(rules::key_of(client))
        .bind(now.as_millis())
        .bind(before)
        .execute(&self.inner.pool)
        .await;
        if let Err(error) = noted {
            tracing::warn!(%error, client = name, "the last login of a client could not be noted");
        }
    }
}

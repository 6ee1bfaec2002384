//! Tokens for scripts: long random texts that stand for a user, with a scope of their own.
//!
//! A token can never do more than its user: who loses a role, or is removed, takes the tokens along. Only the SHA-256 of
//! a token is kept; with 256 random bits there is nothing to guess, so that no slow hash is needed.

use gatehouse_model::Timestamp;
use sha2::{Digest, Sha256};

use super::sessions::random_hex;
use super::{Accounts, AccountsError, Role, User, rules};

/// Most tokens of all users together.
pub const MAX_TOKENS: i64 = 256;

/// What tokens begin with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "gth_";

/// How exactly the last use is known, in milliseconds: a script that asks every second must not wear out the card.
const USE_NOTED_EVERY_MS: i64 = 60_000;

/// What a token may do, as far as its user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Look.
    Read,
    /// Look and switch.
    Switch,
    /// Everything.
    Administer,
}

impl Scope {
    /// `read`, `switch` or `administer`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Switch => "switch",
            Self::Administer => "administer",
        }
    }

    /// The role that may do just this.
    pub const fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Switch => Role::Operator,
            Self::Administer => Role::Admin,
        }
    }

    fn of_word(word: &str) -> Result<Self, AccountsError> {
        [Self::Read, Self::Switch, Self::Administer]
            .into_iter()
            .find(|scope| scope.as_str() == word)
            .ok_or_else(|| AccountsError::Damaged(format!("`{word}` is not a scope")))
    }
}

/// A token, without its text, which nobody knows but its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number, never used again.
    pub id: i64,
    /// The user for whom it stands.
    pub user: String,
    /// What it is for, in its owner's words.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used, to the minute; nothing when it never was.
    pub last_used: Option<Timestamp>,
}

/// Who comes with a token.
pub(crate) struct TokenHolder {
    /// The user, with a role that is no more than the scope allows.
    pub(crate) user: User,
    /// The token's name.
    pub(crate) name: String,
}

/// SHA-256 of a token's text.
#[derive(Clone)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// That of the text after `Bearer`, when it has the form of a token.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let well_formed = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self(Sha256::digest(text.as_bytes()).into()))
    }
}

/// Number, name, scope and last use of a token, and name, role and rights set of its user.
type HolderRow = (i64, String, String, Option<i64>, String, String, Option<String>);

type TokenRow = (i64, String, String, String, i64, Option<i64>);

fn token_of((id, user, name, scope, created, used): TokenRow) -> Result<ApiToken, AccountsError> {
    let (created, last_used) = (Timestamp::from_millis(created), used.map(Timestamp::from_millis));
    Ok(ApiToken { id, user, name, scope: Scope::of_word(&scope)?, created, last_used })
}

impl Accounts {
    /// Makes a token for a user, and gives it with its text, which is kept nowhere.
    ///
    /// # Errors
    /// When there is no such user, the name breaks a rule or is taken, or there are too many tokens.
    pub async fn add_token(
        &self,
        user: &str,
        name: &str,
        scope: Scope,
    ) -> Result<(ApiToken, String), AccountsError> {
        rules::check_name(name)?;
        let text = format!("{PREFIX}{}", random_hex(&*self.inner.randomness));
        let hash = TokenHash::of(&text).ok_or_else(|| AccountsError::Hash("a token".to_owned()))?;
        let (key, now) = (rules::key_of(user), self.inner.clock.now());
        let mut transaction = self.inner.pool.begin_with("BEGIN IMMEDIATE").await?;
        let owner: Option<String> = sqlx::query_scalar("SELECT name FROM user WHERE key = ?")
            .bind(&key)
            .fetch_optional(&mut *transaction)
            .await?;
        let owner = owner.ok_or_else(|| AccountsError::UnknownUser(user.to_owned()))?;
        let tokens: i64 =
            sqlx::query_scalar("SELECT count(*) FROM token").fetch_one(&mut *transaction).await?;
        if tokens >= MAX_TOKENS {
            return Err(AccountsError::TooManyTokens);
        }
        let id: Option<i64> = sqlx::query_scalar(
            "INSERT INTO token (user_key, key, name, hash, scope, created_ms) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(&key)
        .bind(rules::key_of(name))
        .bind(name)
        .bind(hash.0.to_vec())
        .bind(scope.as_str())
        .bind(now.as_millis())
        .fetch_optional(&mut *transaction)
        .await?;
        let id = id.ok_or_else(|| AccountsError::TokenNameTaken(name.to_owned()))?;
        transaction.commit().await?;
        let name = name.to_owned();
        Ok((ApiToken { id, user: owner, name, scope, created: now, last_used: None }, text))
    }

    /// All tokens, in the order of their users and names.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, AccountsError> {
        let rows: Vec<TokenRow> = sqlx::query_as(
            "SELECT token.id, user.name, token.name, token.scope, token.created_ms, token.used_ms
             FROM token JOIN user ON user.key = token.user_key ORDER BY token.user_key, token.key",
        )
        .fetch_all(&self.inner.pool)
        .await?;
        rows.into_iter().map(token_of).collect()
    }

    /// Takes a token back. Gives which it was, as `user/name`.
    ///
    /// # Errors
    /// When there is no such token.
    pub async fn remove_token(&self, id: i64) -> Result<String, AccountsError> {
        let name: Option<String> = sqlx::query_scalar(
            "DELETE FROM token WHERE id = ?
             RETURNING (SELECT name FROM user WHERE key = token.user_key) || '/' || name",
        )
        .bind(id)
        .fetch_optional(&self.inner.pool)
        .await?;
        let name = name.ok_or(AccountsError::UnknownToken)?;
        self.tell_of_change();
        Ok(name)
    }

    /// Who holds this token; nothing when it does not hold any more. Notes that it was used.
    pub(crate) async fn find_token(&self, hash: &TokenHash) -> Result<Option<TokenHolder>, AccountsError> {
        let row: Option<HolderRow> = sqlx::query_as(
            "SELECT token.id, token.name, token.scope, token.used_ms, user.name, user.role, user.rights
             FROM token JOIN user ON user.key = token.user_key WHERE token.hash = ?",
        )
        .bind(hash.0.to_vec())
        .fetch_optional(&self.inner.pool)
        .await?;
        let Some((id, name, scope, used, user, role, rights)) = row else { return Ok(None) };
        let mut user = User::from_row((user, role, rights))?;
        user.role = user.role.at_most(Scope::of_word(&scope)?.role());
        let now = self.inner.clock.now().as_millis();
        if used.is_none_or(|used| !(now.saturating_sub(USE_NOTED_EVERY_MS)..=now).contains(&used)) {
            let noted = sqlx::query("UPDATE token SET used_ms = ? WHERE id = ?")
                .bind(now)
                .bind(id)
                .execute(&self.inner.pool)
                .await;
            // A disk that does not take it keeps no script out.
            if let Err(error) = noted {
                tracing::warn!(%error, token = %name, "the last use of a token could not be noted");
            }
        }
        Ok(Some(TokenHolder { user, name }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatehouse_model::{ManualClock, SeededRandomness};

    use super::*;

    #[tokio::test]
    async fn a_token_is_never_more_than_its_user_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let path = folder.path().join("gatehouse.db");
        let accounts =
            Accounts::open(&path, clock.clone(), Arc::new(SeededRandomness::new(1))).await.unwrap();
        accounts.add("Ana", Role::Admin, "lamp in the window").await.unwrap();
        accounts.add("eva", Role::Admin, "lamp in the window").await.unwrap();
        let (token, text) = accounts.add_token("ana", "backup", Scope::Switch).await.unwrap();
        let hash = TokenHash::of(&text).unwrap();
        assert!(text.len() >= 64 && !format!("{token:?}").contains(&text));
        let role = async |hash| accounts.find_token(hash).await.unwrap().map(|holder| holder.user.role);
        assert_eq!(role(&hash).await, Some(Role::Operator));
        assert_eq!(accounts.tokens().await.unwrap()[0].last_used, Some(token.created));
        accounts.set_role("ana", Role::Viewer).await.unwrap();
        assert_eq!(role(&hash).await, Some(Role::Viewer));

        let taken = accounts.add_token("ana", "Backup", Scope::Read).await.unwrap_err();
        assert!(matches!(taken, AccountsError::TokenNameTaken(_)), "{taken}");
        let (other, other_text) = accounts.add_token("ana", "other", Scope::Read).await.unwrap();
        assert_eq!(accounts.remove_token(other.id).await.unwrap(), "Ana/other");
        let other_hash = TokenHash::of(&other_text).unwrap();
        assert_eq!(role(&other_hash).await, None);
        assert!(matches!(accounts.remove_token(other.id).await, Err(AccountsError::UnknownToken)));

        accounts.remove("ana").await.unwrap();
        assert_eq!(role(&hash).await, None);
        let kept: Vec<u8> = std::fs::read(&path).unwrap();
        assert!(!kept.windows(text.len()).any(|window| window == text.as_bytes()), "only its hash is kept");
        for wrong in ["", "gth_", "gth_zz", &text[4..], &format!("{text}0")] {
            assert!(TokenHash::of(wrong).is_none(), "{wrong}");
        }
    }
}

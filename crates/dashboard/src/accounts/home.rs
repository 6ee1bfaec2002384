//! How each user arranged the home page. The file keeps it, so that another phone shows the same.

use super::{Accounts, AccountsError, User, rules};

impl Accounts {
    /// What this user's home page was told last, as it was given; nothing when it was never arranged.
    pub(crate) async fn home(&self, user: &User) -> Result<Option<String>, AccountsError> {
        let found = sqlx::query_scalar("SELECT arrangement FROM home WHERE user_key = ?")
            .bind(rules::key_of(&user.name))
            .fetch_optional(&self.inner.pool)
            .await?;
        Ok(found)
    }

    /// Keeps another one in its place. Nothing is kept for a user who is removed at this moment.
    pub(crate) async fn arrange_home(&self, user: &User, arrangement: &str) -> Result<(), AccountsError> {
        sqlx::query(
            "INSERT INTO home (user_key, arrangement) SELECT key, ?2 FROM user WHERE key = ?1 \
             ON CONFLICT (user_key) DO UPDATE SET arrangement = excluded.arrangement",
        )
        .bind(rules::key_of(&user.name))
        .bind(arrangement)
        .execute(&self.inner.pool)
        .await?;
        Ok(())
    }
}

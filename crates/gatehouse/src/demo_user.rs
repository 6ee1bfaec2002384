//! The ready-made MQTT user of the demonstration.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use gatehouse_dashboard::accounts::random_password;
use gatehouse_dashboard::{Accounts, Role};

use crate::banner::DemoUser;
use crate::paths::DEMO_PASSWORD_FILE;
use crate::system::SystemRandomness;

const NAME: &str = "demo";

/// Makes the user at the first start. Its password is random and kept in a file that only the owner can read, so that
/// it can be shown again and a phone that was connected yesterday still is.
pub(crate) async fn prepare(accounts: &Accounts, directory: &Path) -> anyhow::Result<DemoUser> {
    let file = directory.join(DEMO_PASSWORD_FILE);
    let exists = accounts.list().await?.iter().any(|user| &*user.name == NAME);
    if exists && let Ok(password) = std::fs::read_to_string(&file) {
        // Somebody may have given it another password since, which is theirs to know.
        let is_known = accounts.verify(NAME, password.as_bytes()).await?.is_some();
        return Ok(DemoUser { name: NAME.to_owned(), password: is_known.then_some(password) });
    }
    let password = random_password(&SystemRandomness);
    if exists {
        accounts.set_password(NAME, &password).await?;
    } else {
        accounts.add(NAME, Role::Operator, &password).await?;
    }
    keep(&file, &password)
        .with_context(|| format!("the demonstration's password cannot be kept in {}", file.display()))?;
    Ok(DemoUser { name: NAME.to_owned(), password: Some(password) })
}

fn keep(file: &Path, password: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(password.as_bytes())
}

//! `gatehouse user …`: the accounts, with or without a running gateway.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_dashboard::accounts::{By, Deed};
use gatehouse_dashboard::{Accounts, Role};
use gatehouse_model::SystemClock;

use crate::answer::answer;
use crate::as_owner::as_owner_of;
use crate::cli::{ConfigurationArguments, DataArguments, PasswordArguments, RoleArgument, UserCommand};
use crate::exit::Exit;
use crate::rights::RightsSets;
use crate::system::SystemRandomness;
use crate::{config, paths, releases, stand_in};

/// Longest line that is read as a password; the accounts' own limit is far below.
const MAX_PASSWORD_LINE_BYTES: u64 = 4_096;

/// Does what one `user` command asks for.
pub(crate) fn manage(command: UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::Add { name, role, password, data } => {
            let password = asked_password(&password)?;
            with_accounts(data, async |accounts| {
                let user = accounts.add(&name, to_role(role), &password).await?;
                let role = Some(user.role.as_str());
                accounts.note(Deed::UserAdded, &By::command_line(), Some(&user.name), role).await;
                answer!("Added {} ({}).", user.name, word_of(user.role));
                Ok(Exit::Success)
            })
        }
        UserCommand::Passwd { name, password, data } => {
            let password = asked_password(&password)?;
            with_accounts(data, async |accounts| {
                accounts.set_password(&name, &password).await?;
                accounts.note(Deed::PasswordChanged, &By::command_line(), Some(&name), None).await;
                answer!("{name} has a new password.");
                Ok(Exit::Success)
            })
        }
        UserCommand::List { data } => looking_at_accounts(data, async |accounts| {
            for user in accounts.list().await? {
                let rights = user.rights.as_deref().map(|set| format!("\trights {set}")).unwrap_or_default();
                answer!("{}\t{}{rights}", user.name, word_of(user.role));
            }
            Ok(Exit::Success)
        }),
        UserCommand::Role { name, role, data } => with_accounts(data, async |accounts| {
            accounts.set_role(&name, to_role(role)).await?;
            let word = Some(to_role(role).as_str());
            accounts.note(Deed::RoleChanged, &By::command_line(), Some(&name), word).await;
            answer!("{name} has the role {}.", word_of(to_role(role)));
            Ok(Exit::Success)
        }),
        UserCommand::Rights { name, set, config, data } => {
            if let Some(set) = &set {
                check_set(set, &config)?;
            }
            with_accounts(data, async |accounts| {
                accounts.set_rights(&name, set.as_deref()).await?;
                let by = By::command_line();
                accounts.note(Deed::RightsChanged, &by, Some(&name), set.as_deref()).await;
                match &set {
                    Some(set) => answer!("{name} has the rights {set} over MQTT."),
                    None => answer!("{name} has the rights of the role over MQTT."),
                }
                Ok(Exit::Success)
            })
        }
        UserCommand::Remove { name, data } => with_accounts(data, async |accounts| {
            accounts.remove(&name).await?;
            accounts.note(Deed::UserRemoved, &By::command_line(), Some(&name), None).await;
            answer!("Removed {name}.");
            Ok(Exit::Success)
        }),
    }
}

/// Opens the accounts of a data directory, changes something of them, and closes them.
///
/// # Errors
/// Also where a daemon runs from memory, which would not see it.
pub(crate) fn with_accounts(
    data: DataArguments,
    work: impl AsyncFnOnce(&Accounts) -> anyhow::Result<Exit> + Send,
) -> anyhow::Result<Exit> {
    let directory = prepared(data)?;
    let is_in_memory = stand_in::in_use(&directory).is_some();
    as_owner_of(&directory, || match is_in_memory {
        true => bail!(stand_in::refusal_beside(&directory)),
        false => open_accounts(&directory, work),
    })
}

/// Opens the accounts of a data directory to look at them: where a daemon runs from memory, those that it has there.
pub(crate) fn looking_at_accounts(
    data: DataArguments,
    work: impl AsyncFnOnce(&Accounts) -> anyhow::Result<Exit> + Send,
) -> anyhow::Result<Exit> {
    let directory = prepared(data)?;
    let place = stand_in::in_use(&directory).unwrap_or_else(|| directory.clone());
    as_owner_of(&directory, || open_accounts(&place, work))
}

fn prepared(data: DataArguments) -> anyhow::Result<PathBuf> {
    paths::keep_files_private();
    let directory = paths::data_directory(data.data_dir, false);
    paths::make_private_directory(&directory)?;
    Ok(directory)
}

fn open_accounts(
    directory: &Path,
    work: impl AsyncFnOnce(&Accounts) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        releases::check_form(directory, paths::ACCOUNTS_FILE).await?;
        let file = directory.join(paths::ACCOUNTS_FILE);
        let is_new = !file.exists();
        let accounts = Accounts::open(&file, Arc::new(SystemClock::new()), Arc::new(SystemRandomness))
            .await
            .with_context(|| format!("the accounts in {} cannot be opened", file.display()))?;
        if is_new {
            paths::give_to_owner_of(directory, &file)?;
        }
        let outcome = work(&accounts).await;
        accounts.close().await;
        outcome
    })
}

/// The password, as the arguments say.
fn asked_password(arguments: &PasswordArguments) -> anyhow::Result<String> {
    // The command line refuses to go on without --password-stdin, which leaves room for other ways later.
    debug_assert!(arguments.password_stdin);
    read_password()
}

/// Whether there is such a rights set: built in, or in the configuration.
pub(crate) fn check_set(set: &str, arguments: &ConfigurationArguments) -> anyhow::Result<()> {
    let built_in = RightsSets::default();
    if built_in.get(set).is_some() {
        return Ok(());
    }
    let file = arguments.config.display();
    let Ok(config) = config::load_file(&arguments.config) else {
        bail!(
            "`{set}` is none of the built-in rights sets ({}), and the configuration {file} cannot be used: `gatehouse check {file}` says why, and --config names another",
            built_in.names().join(", ")
        );
    };
    if config.rights.get(set).is_none() {
        bail!(
            "there is no rights set `{set}`: choose one of {}, or make it in {file} under [rights.{set}]",
            config.rights.names().join(", ")
        );
    }
    Ok(())
}

/// The first line of standard input, without its end.
pub(crate) fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    let input = std::io::stdin().lock();
    std::io::Read::take(input, MAX_PASSWORD_LINE_BYTES)
        .read_line(&mut line)
        .context("the password on standard input cannot be read: it must be one line of UTF-8 text")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!(
            "there is no password on standard input: pipe one in, for example with `pass show gatehouse | gatehouse …`"
        );
    }
    Ok(password.to_owned())
}

fn to_role(role: RoleArgument) -> Role {
    match role {
        RoleArgument::Admin => Role::Admin,
        RoleArgument::Operator => Role::Operator,
        RoleArgument::Viewer => Role::Viewer,
    }
}

fn word_of(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Operator => "operator",
        Role::Viewer => "viewer",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, chown};

    use sqlx::{Connection as _, SqliteConnection};

    use super::*;

    /// `sudo gatehouse user list` of a release that did not start, in whose place the one before it ran: it changed the accounts to a
    /// form that the one that ran did not know, and there was no copy of before.
    #[test]
    fn accounts_of_another_release_are_left_in_its_form() {
        let data = tempfile::tempdir().unwrap();
        let arguments = || DataArguments { data_dir: Some(data.path().to_owned()) };
        let look = || looking_at_accounts(arguments(), async |_| Ok(Exit::Success));
        look().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = data.path().join(paths::ACCOUNTS_FILE);
        let older = Accounts::newest_form() - 1;
        runtime.block_on(async {
            let url = format!("sqlite:{}", file.display());
            let mut accounts = SqliteConnection::connect(&url).await.unwrap();
            let back = format!("ALTER TABLE audit DROP COLUMN times; PRAGMA user_version = {older}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&mut accounts).await.unwrap();
            accounts.close().await.unwrap();
        });
        let ran_last = |version: &str| {
            let record = format!(r#"{{"version":"{version}","since":"2026-11-20T08:14:00.000Z"}}"#);
            std::fs::write(data.path().join("release.json"), record).unwrap();
        };
        ran_last("0.0.9");
        let changing = with_accounts(arguments(), async |_| Ok(Exit::Success));
        for refusal in [look().unwrap_err(), changing.unwrap_err()].map(|problem| problem.to_string()) {
            assert!(refusal.contains("release 0.0.9") && refusal.contains("start it first"), "{refusal}");
        }
        assert_eq!(runtime.block_on(Accounts::form_of(&file)).unwrap(), Some(older));
        // Without accounts there is nothing that another release could have left.
        let aside = data.path().join("aside");
        std::fs::rename(&file, &aside).unwrap();
        look().unwrap();
        std::fs::rename(&aside, &file).unwrap();
        // One whose making was cut short, when this release came to run for the first time.
        ran_last(env!("CARGO_PKG_VERSION"));
        look().unwrap();
        assert_eq!(runtime.block_on(Accounts::form_of(&file)).unwrap(), Some(older + 1));
    }

    /// `sudo gatehouse setup-code`, before the service ran for the first time, made a file that the service could not open.
    /// Only root can give files away, so that there is nothing to see for anybody else.
    #[test]
    fn accounts_that_root_makes_belong_to_the_gateway() {
        let data = tempfile::tempdir().unwrap();
        if chown(data.path(), Some(1_234), Some(1_234)).is_err() {
            return;
        }
        let arguments = DataArguments { data_dir: Some(data.path().to_owned()) };
        with_accounts(arguments, async |accounts| {
            assert!(accounts.setup_code().await?.is_some());
            Ok(Exit::Success)
        })
        .unwrap();
        for entry in std::fs::read_dir(data.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().uid(), 1_234, "{}", entry.path().display());
        }
    }
}

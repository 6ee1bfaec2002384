//! `gatehouse user …`: the accounts, with or without a running gateway.

use std::io::BufRead as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_dashboard::{Accounts, Role};
use gatehouse_model::SystemClock;

use crate::cli::{DataArguments, PasswordArguments, RoleArgument, UserCommand};
use crate::exit::Exit;
use crate::paths;
use crate::system::SystemRandomness;

/// Longest line that is read as a password; the accounts' own limit is far below.
const MAX_PASSWORD_LINE_BYTES: u64 = 4_096;

/// Does what one `user` command asks for.
#[expect(clippy::print_stdout, reason = "these commands answer the person who calls them")]
pub(crate) fn manage(command: UserCommand) -> anyhow::Result<Exit> {
    match command {
        UserCommand::Add { name, role, password, data } => {
            let password = read_password(&password)?;
            with_accounts(data, async |accounts| {
                let user = accounts.add(&name, to_role(role), &password).await?;
                println!("Added {} ({}).", user.name, word_of(user.role));
                Ok(Exit::Success)
            })
        }
        UserCommand::Passwd { name, password, data } => {
            let password = read_password(&password)?;
            with_accounts(data, async |accounts| {
                accounts.set_password(&name, &password).await?;
                println!("{name} has a new password.");
                Ok(Exit::Success)
            })
        }
        UserCommand::List { data } => with_accounts(data, async |accounts| {
            for user in accounts.list().await? {
                println!("{}\t{}", user.name, word_of(user.role));
            }
            Ok(Exit::Success)
        }),
        UserCommand::Remove { name, data } => with_accounts(data, async |accounts| {
            accounts.remove(&name).await?;
            println!("Removed {name}.");
            Ok(Exit::Success)
        }),
    }
}

/// Opens the accounts of a data directory, does something with them, and closes them.
pub(crate) fn with_accounts(
    data: DataArguments,
    work: impl AsyncFnOnce(&Accounts) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(data.data_dir, false);
    paths::make_private_directory(&directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let file = directory.join(paths::ACCOUNTS_FILE);
        let accounts = Accounts::open(&file, Arc::new(SystemClock::new()), Arc::new(SystemRandomness))
            .await
            .with_context(|| format!("the accounts in {} cannot be opened", file.display()))?;
        let outcome = work(&accounts).await;
        accounts.close().await;
        outcome
    })
}

/// The first line of standard input, without its end.
fn read_password(arguments: &PasswordArguments) -> anyhow::Result<String> {
    // The command line refuses to go on without --password-stdin, which leaves room for other ways later.
    debug_assert!(arguments.password_stdin);
    let mut line = String::new();
    let input = std::io::stdin().lock();
    std::io::Read::take(input, MAX_PASSWORD_LINE_BYTES)
        .read_line(&mut line)
        .context("the password on standard input cannot be read: it must be one line of UTF-8 text")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!(
            "there is no password on standard input: pipe one in, for example with `pass show gatehouse | gatehouse user …`"
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

//! `gatehouse client …`: the MQTT clients below users, with or without a running gateway.

use gatehouse_dashboard::Accounts;
use gatehouse_dashboard::accounts::{By, Client, Deed, random_password};
use gatehouse_model::Timestamp;

use crate::answer::answer;
use crate::cli::{ClientCommand, ClientName};
use crate::exit::Exit;
use crate::system::SystemRandomness;
use crate::users::{check_set, looking_at_accounts, read_password, with_accounts};

/// Does what one `client` command asks for.
pub(crate) fn manage(command: ClientCommand) -> anyhow::Result<Exit> {
    match command {
        ClientCommand::Add { name: ClientName { user, client }, rights, password_stdin, config, data } => {
            check_set(&rights, &config)?;
            let password = Password::ask(password_stdin)?;
            with_accounts(data, async |accounts| {
                let client = accounts.add_client(&user, &client, &rights, &password.text).await?;
                let (by, login) = (By::command_line(), client.login());
                accounts.note(Deed::ClientAdded, &by, Some(&login), Some(&rights)).await;
                answer!("Added {}/{} with the rights {rights}.", client.user, client.name);
                answer!("MQTT user:   {}", client.login());
                password.show();
                Ok(Exit::Success)
            })
        }
        ClientCommand::Passwd { name, password_stdin, data } => {
            let password = Password::ask(password_stdin)?;
            with_accounts(data, async |accounts| {
                accounts.set_client_password(&name.user, &name.client, &password.text).await?;
                note(accounts, Deed::ClientPasswordChanged, &name, None).await;
                answer!("{name} has a new password.");
                password.show();
                Ok(Exit::Success)
            })
        }
        ClientCommand::Rights { name, set, config, data } => {
            check_set(&set, &config)?;
            with_accounts(data, async |accounts| {
                accounts.set_client_rights(&name.user, &name.client, &set).await?;
                note(accounts, Deed::ClientRightsChanged, &name, Some(&set)).await;
                answer!("{name} has the rights {set}, as far as {} has.", name.user);
                Ok(Exit::Success)
            })
        }
        ClientCommand::List { data } => looking_at_accounts(data, async |accounts| {
            for Client { user, name, rights, last_login, .. } in accounts.clients().await? {
                let last_login = last_login.as_ref().map_or_else(|| "never".to_owned(), Timestamp::to_string);
                answer!("{user}/{name}\t{rights}\tlast login: {last_login}");
            }
            Ok(Exit::Success)
        }),
        ClientCommand::Remove { name, data } => with_accounts(data, async |accounts| {
            accounts.remove_client(&name.user, &name.client).await?;
            note(accounts, Deed::ClientRemoved, &name, None).await;
            answer!("Removed {name}.");
            Ok(Exit::Success)
        }),
    }
}

/// Writes down what was done to a client.
async fn note(accounts: &Accounts, deed: Deed, name: &ClientName, detail: Option<&str>) {
    let about = format!("{}:{}", name.user, name.client);
    accounts.note(deed, &By::command_line(), Some(&about), detail).await;
}

/// A password that somebody gave, or that is made here.
struct Password {
    text: String,
    /// Nobody knows it yet.
    is_new: bool,
}

impl Password {
    fn ask(from_stdin: bool) -> anyhow::Result<Self> {
        let text = if from_stdin { read_password()? } else { random_password(&SystemRandomness) };
        Ok(Self { text, is_new: !from_stdin })
    }

    /// Tells a new one, this one time.
    fn show(&self) {
        if self.is_new {
            answer!("Password:    {}", self.text);
            answer!("It is not kept and cannot be shown again.");
        }
    }
}

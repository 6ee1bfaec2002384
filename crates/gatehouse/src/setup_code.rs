//! `gatehouse setup-code`: the code that the page asks for on the first visit.

use crate::answer::answer;
use crate::cli::DataArguments;
use crate::exit::Exit;
use crate::users;

/// Prints the code, or says why there is none.
pub(crate) fn print(data: DataArguments) -> anyhow::Result<Exit> {
    users::looking_at_accounts(data, async |accounts| {
        match accounts.setup_code().await? {
            Some(code) => answer!("{code}"),
            None => {
                answer!(
                    "There is an administrator already, so no set-up code is needed. Log in on the page."
                );
            }
        }
        Ok(Exit::Success)
    })
}

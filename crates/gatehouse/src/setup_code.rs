//! `gatehouse setup-code`: the code that the page asks for on the first visit.

use crate::cli::DataArguments;
use crate::exit::Exit;
use crate::users;

/// Prints the code, or says why there is none.
#[expect(clippy::print_stdout, reason = "printing the code is what the command is for")]
pub(crate) fn print(data: DataArguments) -> anyhow::Result<Exit> {
    users::with_accounts(data, async |accounts| {
        match accounts.setup_code().await? {
            Some(code) => println!("{code}"),
            None => println!(
                "There is an administrator already, so no set-up code is needed. Log in on the page."
            ),
        }
        Ok(Exit::Success)
    })
}

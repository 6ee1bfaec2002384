//! What names and passwords may look like.

use super::AccountsError;

/// Longest name, in characters: it fits on a phone's line and in a topic level.
pub const MAX_NAME_LENGTH: usize = 32;

/// The name of clients that come in without a name, where that is allowed; nobody else can have it.
pub const ANONYMOUS: &str = "anonymous";

/// Shortest password, in characters (NIST SP 800-63B, 5.1.1.2).
pub const MIN_PASSWORD_LENGTH: usize = 8;

/// Longest password, in bytes. The hash takes any length; this keeps a request small.
pub const MAX_PASSWORD_BYTES: usize = 1_024;

/// Checks a name: letters and digits of any language, `.`, `_` and `-`, and a letter or digit first.
pub(super) fn check_name(name: &str) -> Result<(), AccountsError> {
    let complaint = |reason: String| Err(AccountsError::InvalidName(reason));
    let Some(first) = name.chars().next() else {
        return complaint("The name is empty. Choose one.".to_owned());
    };
    if name.chars().count() > MAX_NAME_LENGTH {
        return complaint(format!(
            "The name is longer than {MAX_NAME_LENGTH} characters. Choose a shorter one."
        ));
    }
    if let Some(wrong) = name.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        return complaint(format!("The name contains {wrong:?}. Use letters, digits, and . _ - only."));
    }
    if !first.is_alphanumeric() {
        return complaint("The name starts with a sign. Start it with a letter or a digit.".to_owned());
    }
    if key_of(name) == ANONYMOUS {
        return complaint(format!(
            "`{ANONYMOUS}` stands for MQTT clients that give no name. Choose another name."
        ));
    }
    Ok(())
}

/// What makes two names the same: phones like to write the first letter large.
pub(super) fn key_of(name: &str) -> String {
    name.to_lowercase()
}

/// Checks a password that is to be set.
pub(crate) fn check_password(password: &str) -> Result<(), AccountsError> {
    if password.chars().count() < MIN_PASSWORD_LENGTH {
        return Err(AccountsError::WeakPassword(format!(
            "The password is shorter than {MIN_PASSWORD_LENGTH} characters. Choose a longer one."
        )));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(AccountsError::WeakPassword(format!(
            "The password is longer than {MAX_PASSWORD_BYTES} bytes. Choose a shorter one."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_any_language() {
        for name in ["ana", "José", "李雷", "phone-2", "a.b_c", "7", &"ñ".repeat(MAX_NAME_LENGTH)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "a b",
            "a/b",
            "a+",
            "#",
            ".a",
            "-rf",
            "a\0",
            "a\n",
            "a:b",
            "Anonymous",
            &"n".repeat(MAX_NAME_LENGTH + 1),
        ] {
            assert!(matches!(check_name(name), Err(AccountsError::InvalidName(_))), "{name:?}");
        }
        assert_eq!(key_of("ÁNA"), key_of("ána"));
    }

    #[test]
    fn passwords_have_a_length() {
        assert!(check_password("1234567").is_err());
        assert!(check_password("ñandúes!").is_ok());
        assert!(check_password(&"p".repeat(MAX_PASSWORD_BYTES)).is_ok());
        assert!(check_password(&"p".repeat(MAX_PASSWORD_BYTES + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_good_name_can_break_a_topic(name in ".{0,40}") {
            if check_name(&name).is_ok() {
                prop_assert!(!name.contains(['/', '+', '#', '$', ' ', '\0']));
            }
        }
    }
}

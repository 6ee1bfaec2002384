//! What a SUBSCRIBE or an UNSUBSCRIBE names: a topic filter, alone or as part of a shared subscription.

use std::sync::Arc;

use gatehouse_model::TopicFilter;

use super::Reason;

/// A topic filter, and the name of the group when the subscription is shared: `$share/{name}/{filter}` (MQTT 5.0 section
/// 4.8.2; clients of 3.1.1 may say the same).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    /// The name of the group, which is shared by clients of all users.
    pub(crate) share: Option<Arc<str>>,
    /// The filter, without the prefix of a shared subscription.
    pub(crate) filter: TopicFilter,
}

impl Wanted {
    /// Reads the text of a packet. A share name has at least one character, and none of `/`, `+` and `#`; a filter
    /// follows it. [MQTT-4.8.2-1], [MQTT-4.8.2-2]
    pub(crate) fn parse(text: &str) -> Result<Self, Reason> {
        const PREFIX: &str = "$share";
        let filter = |text: &str| TopicFilter::new(text).map_err(|_| Reason::TopicFilterInvalid);
        let Some(rest) = text.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'))
        else {
            return Ok(Self { share: None, filter: filter(text)? });
        };
        let (name, rest) =
            rest.get(1..).and_then(|rest| rest.split_once('/')).ok_or(Reason::TopicFilterInvalid)?;
        if name.is_empty() || name.contains(['+', '#', '\0']) {
            return Err(Reason::TopicFilterInvalid);
        }
        Ok(Self { share: Some(name.into()), filter: filter(rest)? })
    }
}

impl From<TopicFilter> for Wanted {
    fn from(filter: TopicFilter) -> Self {
        Self { share: None, filter }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_filters_are_taken_apart() {
        let parse =
            |text| Wanted::parse(text).map(|wanted| (wanted.share, wanted.filter.as_str().to_owned()));
        for (text, name, filter) in [
            ("$share/g/t", Some("g"), "t"),
            ("$share/ático/#", Some("ático"), "#"),
            ("$share/g//t", Some("g"), "/t"),
            ("$share/g/$SYS/#", Some("g"), "$SYS/#"),
            ("$shared/g/t", None, "$shared/g/t"),
            ("a/$share/g", None, "a/$share/g"),
        ] {
            assert_eq!(parse(text), Ok((name.map(Into::into), filter.to_owned())), "{text}");
        }
        for text in [
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//t",
            "$share/+/t",
            "$share/g#/t",
            "$share/g/a#",
        ] {
            assert_eq!(parse(text), Err(Reason::TopicFilterInvalid), "{text}");
        }
    }
}

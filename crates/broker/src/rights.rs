//! What may be published and received: topic filters, and the patterns that they are made of at login.

use std::sync::Arc;

use gatehouse_model::{TopicError, TopicFilter, TopicName};

/// Most patterns in one list of a [`RightsSet`]. Every publish is compared with the list of its sender, and the lesser
/// of two sets can have as many filters as both lists multiplied.
pub const MAX_PATTERNS: usize = 32;

/// Stands for the name of the user in a pattern, as Mosquitto's.
const USER: &str = "%u";

/// Stands for the MQTT client identifier in a pattern, as Mosquitto's.
const CLIENT_ID: &str = "%c";

/// What may be published and subscribed to. What no filter matches is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Topics that may be published to. Topics below `$SYS` belong to the broker whatever stands here.
    pub publish: Vec<TopicFilter>,
    /// Topics that may be received.
    pub subscribe: Vec<TopicFilter>,
}

impl Rights {
    /// Publish and receive everything, the broker's own figures below `$SYS` included.
    pub fn everything() -> Self {
        RightsSet::admin().resolve("", "")
    }

    /// No topic at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Receive everything but the broker's own figures, publish nothing.
    pub fn read_only() -> Self {
        RightsSet::viewer().resolve("", "")
    }

    /// Whether a message may be published to `topic`.
    pub fn may_publish(&self, topic: &TopicName) -> bool {
        self.publish.iter().any(|filter| filter.matches(topic))
    }

    /// Whether anything that `filter` asks for may be received. What of it may not is left out at delivery, so that a
    /// client may ask for `#` and gets what is its own.
    pub fn may_subscribe(&self, filter: &TopicFilter) -> bool {
        self.subscribe.iter().any(|right| common(right, filter).is_some())
    }

    /// Whether a message on `topic` may be received.
    pub fn may_receive(&self, topic: &TopicName) -> bool {
        self.subscribe.iter().any(|filter| filter.matches(topic))
    }

    /// What both allow: the rights of a client below its user.
    #[must_use]
    pub fn limited_to(&self, most: &Self) -> Self {
        Self {
            publish: lesser(&self.publish, &most.publish),
            subscribe: lesser(&self.subscribe, &most.subscribe),
        }
    }
}

/// Filters that match what a filter of both lists matches.
fn lesser(ones: &[TopicFilter], others: &[TopicFilter]) -> Vec<TopicFilter> {
    let mut both = Vec::new();
    for filter in ones.iter().flat_map(|one| others.iter().filter_map(move |other| common(one, other))) {
        if !both.contains(&filter) {
            both.push(filter);
        }
    }
    both
}

/// The filter that matches exactly the topics that both match, if there is one.
fn common(one: &TopicFilter, other: &TopicFilter) -> Option<TopicFilter> {
    // A wildcard in the first level does not match a name that starts with `$`. [MQTT-4.7.2-1]
    let (a, b) = (one.as_str(), other.as_str());
    if a.starts_with('$') && b.starts_with(['+', '#']) || b.starts_with('$') && a.starts_with(['+', '#']) {
        return None;
    }
    let (mut left, mut right) = (one.levels(), other.levels());
    let mut levels: Vec<&str> = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            // `#` stands for all levels that follow, and for none.
            (Some("#"), rest) => {
                levels.extend(rest);
                levels.extend(right);
                break;
            }
            (rest, Some("#")) => {
                levels.extend(rest);
                levels.extend(left);
                break;
            }
            (Some(a), Some(b)) if a == b || b == "+" => levels.push(a),
            (Some("+"), Some(b)) => levels.push(b),
            _ => return None,
        }
    }
    TopicFilter::new(levels.join("/")).ok()
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no topic filter.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// `%u` or `%c` beside other text.
    #[error("`{0}`: %u and %c stand alone in their level, as in sensors/%c/#")]
    NotAlone(String),
}

/// A topic filter in which a level may be `%u`, the name of the user, or `%c`, the MQTT client identifier, as in the
/// patterns of Mosquitto's access lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern(Arc<str>);

impl TopicPattern {
    /// Checks a text and makes a pattern of it.
    ///
    /// # Errors
    /// When the text is no topic filter, or has `%u` or `%c` beside other text in a level.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        TopicFilter::new(text)?;
        let is_wrong = |level: &&str| {
            (level.contains(USER) || level.contains(CLIENT_ID)) && *level != USER && *level != CLIENT_ID
        };
        match text.split('/').find(is_wrong) {
            Some(level) => Err(PatternError::NotAlone(level.to_owned())),
            None => Ok(Self(text.into())),
        }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The filter for one client. Nothing when what would stand for `%u` or `%c` is empty, contains `+`, `#` or `/`, or
    /// would be the first level of a topic that begins with `$`: a client chooses its identifier itself, and must not
    /// reach by a clever one what the pattern does not mean.
    pub fn resolve(&self, user: &str, client_id: &str) -> Option<TopicFilter> {
        let mut levels = Vec::new();
        for (number, level) in self.0.split('/').enumerate() {
            let stands_for = match level {
                USER => user,
                CLIENT_ID => client_id,
                plain => {
                    levels.push(plain);
                    continue;
                }
            };
            let is_plain = !stands_for.is_empty() && !stands_for.contains(['+', '#', '/']);
            if !is_plain || (number == 0 && stands_for.starts_with('$')) {
                return None;
            }
            levels.push(stands_for);
        }
        TopicFilter::new(levels.join("/")).ok()
    }
}

/// What a kind of client may do, for any user and client identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RightsSet {
    /// Topics that may be published to.
    pub publish: Vec<TopicPattern>,
    /// Topics that may be received.
    pub subscribe: Vec<TopicPattern>,
}

impl RightsSet {
    /// Everything, the broker's own figures below `$SYS` included.
    pub fn admin() -> Self {
        // `#` does not match topics that start with `$`, so those need a filter of their own. [MQTT-4.7.2-1]
        Self { publish: patterns(&["#", "$SYS/#"]), subscribe: patterns(&["#", "$SYS/#"]) }
    }

    /// Everything but the broker's own figures.
    pub fn operator() -> Self {
        Self { publish: patterns(&["#"]), subscribe: patterns(&["#"]) }
    }

    /// Receive everything but the broker's own figures, publish nothing.
    pub fn viewer() -> Self {
        Self { publish: Vec::new(), subscribe: patterns(&["#"]) }
    }

    /// The rights of one client of a user.
    pub fn resolve(&self, user: &str, client_id: &str) -> Rights {
        let of = |patterns: &[TopicPattern]| {
            patterns.iter().filter_map(|pattern| pattern.resolve(user, client_id)).collect()
        };
        Rights { publish: of(&self.publish), subscribe: of(&self.subscribe) }
    }
}

fn patterns(texts: &[&str]) -> Vec<TopicPattern> {
    texts.iter().filter_map(|text| TopicPattern::new(text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn topic(text: &str) -> TopicName {
        TopicName::new(text).unwrap()
    }

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::new(text).unwrap()
    }

    fn resolved(pattern: &str, user: &str, client_id: &str) -> Option<String> {
        TopicPattern::new(pattern).unwrap().resolve(user, client_id).map(String::from)
    }

    #[test]
    fn only_administrators_read_the_figures_of_the_broker() {
        for name in ["casa/ático/luz", "/"] {
            assert!(Rights::everything().may_receive(&topic(name)), "{name}");
            assert!(Rights::read_only().may_receive(&topic(name)), "{name}");
            assert!(!Rights::nothing().may_receive(&topic(name)), "{name}");
        }
        let figures = topic("$SYS/broker/uptime");
        assert!(Rights::everything().may_receive(&figures));
        for set in [RightsSet::operator(), RightsSet::viewer()] {
            let rights = set.resolve("ana", "phone");
            assert!(!rights.may_receive(&figures) && !rights.may_subscribe(&filter("$SYS/#")));
        }
        assert!(RightsSet::operator().resolve("ana", "phone").may_publish(&topic("garden/pump")));
        assert!(!Rights::read_only().may_publish(&topic("a")));
    }

    #[test]
    fn a_subscription_needs_a_topic_in_common_with_the_rights() {
        for (right, asked, common) in [
            ("casa/#", "#", true),
            ("casa/#", "casa", true),
            ("casa/+/luz", "casa/ático/+", true),
            ("casa/+/luz", "casa/ático", false),
            ("casa/a/#", "casa/+/b/c", true),
            ("#", "$SYS/#", false),
            ("$SYS/#", "+/broker", false),
            ("$SYS/#", "$SYS/broker/uptime", true),
            ("a/b", "a/c", false),
        ] {
            let rights = Rights { publish: Vec::new(), subscribe: vec![filter(right)] };
            assert_eq!(rights.may_subscribe(&filter(asked)), common, "{right} and {asked}");
        }
    }

    #[test]
    fn patterns_are_filled_in_level_by_level() {
        assert_eq!(resolved("sensors/%c/#", "ana", "s1").as_deref(), Some("sensors/s1/#"));
        assert_eq!(resolved("%u/+/%c", "ana", "s1").as_deref(), Some("ana/+/s1"));
        assert_eq!(resolved("100%/a%b", "ana", "s1").as_deref(), Some("100%/a%b"));
        assert_eq!(TopicPattern::new("a/x%c"), Err(PatternError::NotAlone("x%c".to_owned())));
        assert_eq!(TopicPattern::new("%u%c"), Err(PatternError::NotAlone("%u%c".to_owned())));
        assert_eq!(TopicPattern::new("a/#/b"), Err(PatternError::Topic(TopicError::MisplacedWildcard)));
    }

    /// A client chooses its identifier: with `+` it would be every client, with `$SYS` the administrator.
    #[test]
    fn a_clever_client_identifier_reaches_nothing() {
        for clever in ["+", "#", "a/b", "a+", "", "a\0b"] {
            assert_eq!(resolved("sensors/%c/#", "ana", clever), None, "{clever:?}");
            assert_eq!(resolved("sensors/%u/#", clever, "s1"), None, "{clever:?}");
        }
        assert_eq!(resolved("%c/#", "ana", "$SYS"), None);
        assert_eq!(resolved("sensors/%c", "ana", "$5").as_deref(), Some("sensors/$5"));
        // What stands for one is not looked at for the other.
        assert_eq!(resolved("%u/x", "%c", "+").as_deref(), Some("%c/x"));
    }

    #[test]
    fn a_client_has_the_lesser_of_its_own_rights_and_its_users() {
        let sensor =
            RightsSet { publish: patterns(&["#"]), subscribe: patterns(&["home/+/power", "$SYS/#"]) };
        let own = sensor.resolve("eva", "s1");
        let user = Rights { publish: vec![filter("eva/#")], subscribe: vec![filter("home/heater/#")] };
        let both = own.limited_to(&user);
        assert_eq!(both.publish, [filter("eva/#")]);
        assert_eq!(both.subscribe, [filter("home/heater/power")]);
        assert_eq!(own.limited_to(&Rights::nothing()), Rights::nothing());
        assert_eq!(own.limited_to(&Rights::everything()), own);
    }

    proptest! {
        #[test]
        fn the_common_filter_matches_what_both_match(
            one in "([a-b+]/){0,2}[a-b+#]",
            other in "([a-b+]/){0,2}[a-b+#]",
            name in "([a-b]/){0,3}[a-b]",
        ) {
            let (one, other, name) = (filter(&one), filter(&other), topic(&name));
            let both = common(&one, &other).is_some_and(|both| both.matches(&name));
            prop_assert_eq!(both, one.matches(&name) && other.matches(&name));
        }

        #[test]
        fn no_identifier_widens_a_pattern(client_id in ".{0,8}", name in "[a-c/$]{1,8}") {
            let pattern = TopicPattern::new("s/%c/x").unwrap();
            if let Some(filter) = pattern.resolve("u", &client_id) {
                prop_assert_eq!(filter.matches(&topic(&name)), name == format!("s/{client_id}/x"));
            }
        }
    }
}

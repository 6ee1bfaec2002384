//! Who comes in with which rights, and the limits of the broker.

use super::*;

#[test]
fn rights_sets_and_who_comes_in_without_a_name() {
    let config = loaded(
        "[rights.sensors]\npublish = [\"sensors/%c/#\"]\nsubscribe = [\"%u/#\"]\n[broker]\nanonymous = \"sensors\"\n",
    );
    assert_eq!(config.broker.anonymous.as_deref(), Some("sensors"));
    assert_eq!(config.rights.names(), ["admin", "operator", "sensors", "viewer"]);
    let rights = config.rights.get("sensors").unwrap().resolve("ana", "s1");
    assert_eq!((rights.publish[0].as_str(), rights.subscribe[0].as_str()), ("sensors/s1/#", "ana/#"));
    assert_eq!(config.warnings.listed().len(), 1, "anonymous clients are worth a second thought");
}

#[test]
fn what_is_wrong_with_rights() {
    check("[rights.admin]\npublish = []\n", &[(1, 9, "is a built-in rights set", "choose another name")]);
    check("[rights.\"A b\"]\npublish = []\n", &[(1, 9, "cannot be the name", "small letters")]);
    check("[rights]\nsensors = 1\n", &[(2, 1, "`sensors` is no rights set", "[rights.sensors]")]);
    check("[rights.x]\n", &[(1, 9, "nothing is allowed", "say what it allows")]);
    check(
        "[rights.x]\npublish = [\"a/#/b\", \"s/x%c\", 1]\nsubscribe = \"a\"\nsubcribe = []\n",
        &[
            (2, 12, "`#` stands in the last level", "write a topic"),
            (2, 21, "%u and %c stand alone", "write a topic"),
            (2, 30, "something that is no text", "publish = ["),
            (3, 13, "`subscribe` is a text", "subscribe = ["),
            (4, 1, "`subcribe` is no setting of a rights set", "did you mean `subscribe`?"),
        ],
    );
    let many = format!("[rights.x]\npublish = [{}]\n", "\"a\",".repeat(33));
    check(&many, &[(2, 140, "more than 32 topics", "use + and #")]);
    check(
        "[broker]\nanonymous = \"veiwer\"\nanon = 1\n",
        &[
            (2, 13, "there is no rights set `veiwer`", "did you mean `viewer`?"),
            (3, 1, "`anon` is no setting of [broker]", "did you mean `anonymous`?"),
        ],
    );
    check(
        "[broker]\nanonymous = \"viewer\"\n",
        &[(2, 13, "everybody who reaches the broker may do what `viewer` allows", "closed test benches")],
    );
}

/// The page for people says what every setting of the broker is when nothing is written.
#[test]
fn the_page_on_the_broker_is_its_default() {
    let page = include_str!("../../../../../docs/broker.md");
    let text = page.split("```").nth(1).and_then(|block| block.strip_prefix("toml")).unwrap();
    let config = loaded(text);
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    assert_eq!(config.broker.settings, gatehouse_broker::Settings::default());
    assert_eq!(loaded("").broker.settings, gatehouse_broker::Settings::default());
}

#[test]
fn the_limits_of_the_broker_arrive() {
    let settings = loaded(
        "[broker]\nmax_connections = 10_000\nmaximum_qos = 1\nmax_packet_bytes = \"256MiB\"\nretain_available = false\n\
         max_session_expiry = \"0s\"\nmax_keep_alive = \"10m\"\nqueued_bytes = 65_536\ntopic_alias_maximum = 0\n",
    )
    .broker
    .settings;
    assert_eq!((settings.max_connections, settings.queued_bytes), (10_000, 65_536));
    assert_eq!(settings.maximum_qos, gatehouse_model::Qos::AtLeastOnce);
    assert_eq!((settings.max_packet_bytes, settings.topic_alias_maximum), (256 << 20, 0));
    assert!(!settings.retain_available && settings.shared_subscriptions);
    assert_eq!((settings.max_session_expiry, settings.max_keep_alive_seconds), (Duration::ZERO, 600));
}

#[test]
fn slips_in_the_brokers_section_are_told_with_what_can_be() {
    check(
        "[broker]\nmax_connections = 0\nmaximum_qos = 3\nretain_available = \"yes\"\nmax_packet_bytes = \"1MB\"\n\
         queued_bytes = \"1KiB\"\nmax_session_expiry = 30\nreceive_maximum = 70000\nmax_conections = 5\nretained_bytes = true\n",
        &[
            (2, 19, "`max_connections` is too small", "from 1 to 100000"),
            (3, 15, "`maximum_qos` is too large", "from 0 to 2"),
            (4, 20, "`retain_available` is a text", "retain_available = true"),
            (5, 20, "`1MB` is no size", "from 1KiB to 256MiB"),
            (6, 16, "`queued_bytes` is too small", "from 64KiB"),
            (7, 22, "`max_session_expiry` is a whole number", "max_session_expiry = \"30s\""),
            (8, 19, "`receive_maximum` is too large", "from 1 to 65535"),
            (9, 1, "`max_conections` is no setting of [broker]", "max_connections"),
            (10, 18, "`retained_bytes` is true or false", "from 1MiB"),
        ],
    );
}

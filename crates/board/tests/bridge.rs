//! The bridge on the simulated board, in time that is stepped by the test runtime: nothing here sleeps for real.

#[cfg(test)]
#[expect(dead_code, reason = "each test file uses the part of the harness that it needs")]
mod harness;

#[cfg(test)]
mod inputs;

#[cfg(test)]
mod streams;

#[cfg(test)]
#[path = "bridge/chips.rs"]
mod chips;

#[cfg(test)]
#[path = "bridge/texts.rs"]
mod texts;

#[cfg(test)]
#[path = "bridge/sick.rs"]
mod sick;

#[cfg(test)]
#[path = "bridge/signals.rs"]
mod signals;

#[cfg(test)]
#[path = "bridge/waiting.rs"]
mod waiting;

#[cfg(test)]
#[path = "bridge/demonstration.rs"]
mod demonstration;

#[cfg(test)]
mod bridge {
    use std::time::Duration;

    use gatehouse_board::bridge::BridgeLoop;
    use gatehouse_board::config::{
        CalibrateConfig, DeviceConfig, DriverConfig, LineNumber, OutputConfig, ReportConfig,
    };
    use gatehouse_board::sim::demo_house;
    use gatehouse_board::traits::Level;
    use gatehouse_board::{Bridge, BridgeError};
    use gatehouse_model::{DeviceId, Origin, PropertyId, Quality, TopicName, Value};

    use crate::harness::{House, MINUTE, output, plain_house};

    #[tokio::test(start_paused = true)]
    async fn at_start_everything_is_online_and_outputs_are_safe_with_a_cause() {
        let mut house = House::demo();
        let reading = house.reading("heater", "power").await;
        assert_eq!((reading.value, reading.quality), (Value::Switch(false), Quality::Simulated));
        assert!(reading.cause.is_some(), "a state has a cause");
        for device in demo_house() {
            house.payload(&format!("home/{}/availability", device.id), "online").await;
        }
        house.stop().await.unwrap();
    }

    /// What the watchdog follows: each loop answers, and none any more once the bridge has ended.
    #[tokio::test(start_paused = true)]
    async fn its_loops_tell_that_they_live() {
        let mut house = House::demo();
        house.reading("heater", "power").await;
        let loops = [BridgeLoop::Outputs, BridgeLoop::Devices, BridgeLoop::Messages];
        for which in loops {
            house.handle.alive(which).await.unwrap();
        }
        let handle = house.handle.clone();
        house.stop().await.unwrap();
        for which in loops {
            assert!(matches!(handle.alive(which).await, Err(BridgeError::Ended)), "{which:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_simulated_value_says_so_and_the_machine_is_real() {
        let mut house = House::demo();
        for (device, property) in [
            ("living-room", "temperature"),
            ("living-room", "humidity"),
            ("kitchen", "temperature"),
            ("bathroom", "temperature"),
            ("front-door", "contact"),
            ("hall-motion", "motion"),
            ("hall-light", "power"),
        ] {
            assert_eq!(house.reading(device, property).await.quality, Quality::Simulated, "{device}");
        }
        assert_eq!(house.reading("this-machine", "memory").await.quality, Quality::Ok);
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_heater_warms_its_room() {
        let mut house = House::demo_with(&["heater", "living-room"]);
        house.reading("heater", "power").await;
        let before = house.number("living-room", "temperature").await;
        house.command("heater", "power", "ON").await;
        let state = house.reading("heater", "power").await;
        assert_eq!(state.value, Value::Switch(true));
        let by = state.cause.map(|cause| cause.origin);
        assert_eq!(by, Some(Origin::Client { client_id: "phone".into(), user: "ana".into() }));
        house.pass(2 * MINUTE).await;
        let after = house.number("living-room", "temperature").await;
        assert!(after > before + 0.3, "{before} °C before, {after} °C after two minutes");
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_is_answered_on_its_result_topic_and_where_it_asks() {
        let mut house = House::demo();
        house.reading("heater", "power").await;
        let mut message = house.command_message("heater", "power", r#"{"value":"ON","id":"x1"}"#);
        message.properties.response_topic = Some(TopicName::new("answers/phone").unwrap());
        message.properties.correlation_data = Some("c-7".into());
        house.send(message).await;
        let result = house.result("heater", "power").await;
        assert_eq!((result.id.as_deref(), result.ok, result.reason), (Some("x1"), true, None));
        let answer = house.message("answers/phone").await;
        assert_eq!(answer.properties.correlation_data.as_deref(), Some(&b"c-7"[..]));
        assert!(!answer.retain);
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nonsense_is_refused_with_a_reason_and_switches_nothing() {
        let mut house = House::demo();
        house.reading("heater", "power").await;
        for (device, property, payload) in [
            ("heater", "power", "maybe"),
            ("heater", "power", ""),
            ("heater", "power", "21.5"),
            ("heater", "colour", "ON"),
            ("no-such-device", "power", "ON"),
            ("living-room", "temperature", "20"),
        ] {
            house.command(device, property, payload).await;
            let result = house.result(device, property).await;
            assert!(!result.ok, "{device}/{property} took {payload}");
            assert!(result.reason.is_some_and(|reason| reason.len() > 10));
        }
        assert_eq!(house.level("heater"), Level::Inactive);
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_door_that_bounces_opens_once() {
        let mut house = House::demo_with(&["front-door"]);
        assert_eq!(house.reading("front-door", "contact").await.value, Value::Switch(false));
        house.board.set_input(&DeviceId::new("front-door").unwrap(), true);
        let opened = house.reading("front-door", "contact").await;
        assert_eq!((opened.value, opened.cause), (Value::Switch(true), None));
        house.pass(MINUTE).await;
        assert_eq!(
            house.readings_so_far("front-door", "contact"),
            [Value::Switch(false), Value::Switch(true)]
        );
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn max_on_switches_off_and_says_that_it_was_the_fail_safe() {
        let mut house = House::demo_with(&["heater"]);
        house.reading("heater", "power").await;
        house.command("heater", "power", "ON").await;
        let on = house.reading("heater", "power").await;
        assert_eq!(on.value, Value::Switch(true));
        let off = house.reading("heater", "power").await;
        assert_eq!(off.value, Value::Switch(false));
        let cause = off.cause.unwrap();
        assert!(matches!(cause.origin, Origin::FailSafe { .. }), "{cause}");
        assert_eq!(off.at.saturating_since(on.at).as_secs(), 2 * 3_600);
        assert_eq!(house.level("heater"), Level::Inactive);
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_for_a_time_ends_by_itself() {
        let mut house = House::demo_with(&["hall-light"]);
        house.reading("hall-light", "power").await;
        house.command("hall-light", "power", r#"{"value":"ON","for":"5s"}"#).await;
        let on = house.reading("hall-light", "power").await;
        let off = house.reading("hall-light", "power").await;
        assert_eq!((on.value, off.value), (Value::Switch(true), Value::Switch(false)));
        assert_eq!(off.at.saturating_since(on.at), Duration::from_secs(5));
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pin_that_does_not_follow_is_a_fault() {
        let mut house = House::demo();
        house.reading("heater", "power").await;
        house.board.set_stuck(&DeviceId::new("heater").unwrap(), true);
        house.command("heater", "power", "ON").await;
        let result = house.result("heater", "power").await;
        assert!(!result.ok);
        house.payload("home/heater/availability", "offline").await;
        assert!(
            house.fault("heater").is_some(),
            "a pin that follows to its safe level is still not to be trusted"
        );
        assert!(result.reason.is_some_and(|reason| reason.contains("pin reads off")));
        assert_eq!(house.latest("home/heater/power").as_deref(), Some("OFF"), "the state is the real one");
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_sensor_that_fails_is_offline_with_a_sentence_and_comes_back() {
        let mut house = House::demo_with(&["kitchen"]);
        let kitchen = DeviceId::new("kitchen").unwrap();
        house.payload("home/kitchen/availability", "online").await;
        house.board.set_failure(&kitchen, Some("its cable is cut"));
        house.payload("home/kitchen/availability", "offline").await;
        let fault = house.fault("kitchen");
        assert!(fault.is_some_and(|fault| fault.contains("its cable is cut")));
        let readings = house.readings_so_far("kitchen", "temperature").len();
        house.pass(10 * MINUTE).await;
        let made_up = house.count_good_readings_after("kitchen", "temperature", readings);
        assert_eq!(made_up, 0, "no value is made up while the sensor is silent");
        house.board.set_failure(&kitchen, None);
        house.payload("home/kitchen/availability", "online").await;
        assert_eq!(house.fault("kitchen"), None);
        house.reading("kitchen", "temperature").await;
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_sick_sensor_does_not_disturb_the_others() {
        let mut house = House::demo();
        house.board.set_failure(&DeviceId::new("kitchen").unwrap(), Some("stuck"));
        house.payload("home/kitchen/availability", "offline").await;
        house.reading("bathroom", "temperature").await;
        house.reading("bathroom", "temperature").await;
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_leaves_outputs_safe_and_says_so() {
        let mut house = House::demo();
        for device in ["heater", "hall-light"] {
            house.reading(device, "power").await;
            house.command(device, "power", "ON").await;
            assert_eq!(house.reading(device, "power").await.value, Value::Switch(true));
        }
        house.stop().await.unwrap();
        for device in ["heater", "hall-light"] {
            assert_eq!(house.level(device), Level::Inactive);
            let state = house.reading(device, "power").await;
            assert_eq!(state.value, Value::Switch(false));
            assert!(state.cause.unwrap().to_string().contains("stop"));
        }
        for device in demo_house() {
            house.payload(&format!("home/{}/availability", device.id), "offline").await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_drives_the_others_safe_although_one_pin_is_stuck() {
        let mut house = House::demo();
        for device in ["heater", "hall-light"] {
            house.reading(device, "power").await;
            house.command(device, "power", "ON").await;
            house.reading(device, "power").await;
        }
        house.board.set_stuck(&DeviceId::new("heater").unwrap(), true);
        house.stop().await.unwrap();
        assert_eq!(house.level("heater"), Level::Active, "a stuck pin is stuck");
        assert_eq!(house.level("hall-light"), Level::Inactive);
    }

    #[tokio::test(start_paused = true)]
    async fn outputs_keep_their_deadlines_while_nobody_takes_messages() {
        let mut house = House::demo_with(&["heater", "living-room"]);
        house.reading("heater", "power").await;
        house.command("heater", "power", "ON").await;
        house.reading("heater", "power").await;
        house.pass_without_taking(3 * 60 * MINUTE).await;
        assert_eq!(house.level("heater"), Level::Inactive);
        assert_eq!(house.reading("heater", "power").await.value, Value::Switch(false));
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_goes_away_ends_the_bridge_with_outputs_safe() {
        let mut house = House::demo_with(&["heater", "kitchen"]);
        house.reading("heater", "power").await;
        house.command("heater", "power", "ON").await;
        house.reading("heater", "power").await;
        let ended = house.stop_taking().await;
        assert!(matches!(ended, Err(BridgeError::OutboxClosed)), "{ended:?}");
        assert_eq!(house.level("heater"), Level::Inactive);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_dies_ends_the_bridge_with_outputs_safe() {
        let mut house = House::whose_board_dies_after_a_minute("kitchen");
        house.reading("heater", "power").await;
        house.command("heater", "power", "ON").await;
        house.reading("heater", "power").await;
        let ended = house.ended().await;
        assert!(
            matches!(&ended, Err(BridgeError::PartDied { part, problem })
                if part == "board" && problem == "a board with a bug"),
            "{ended:?}"
        );
        assert_eq!(house.level("heater"), Level::Inactive);
        house.payload("home/kitchen/availability", "offline").await;
    }

    #[tokio::test(start_paused = true)]
    async fn interlocked_outputs_are_never_on_together() {
        let interlocked =
            |id: &str, line| output(id, line, |output| output.interlock = Some("shutter".to_owned()));
        let mut house = House::of(vec![interlocked("up", 5), interlocked("down", 6)]);
        house.reading("down", "power").await;
        // What was on before the start may have gone off by it.
        house.command("up", "power", "ON").await;
        assert!(!house.result("up", "power").await.ok);
        house.pass(Duration::from_secs(1)).await;
        house.command("up", "power", "ON").await;
        assert!(house.result("up", "power").await.ok);
        house.command("down", "power", "ON").await;
        house.result("down", "power").await;
        assert!(!(house.level("up").is_on() && house.level("down").is_on()));
        house.pass(MINUTE).await;
        assert!(!(house.level("up").is_on() && house.level("down").is_on()));
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_output_that_is_safe_when_on_and_active_when_low_is_driven_so() {
        let pump = output("pump", 5, |output| {
            output.safe = gatehouse_board::config::Duty::FULL;
            output.active = gatehouse_board::config::ActiveLevel::Low;
        });
        let mut house = House::of(vec![pump]);
        assert_eq!(house.reading("pump", "power").await.value, Value::Switch(true));
        house.command("pump", "power", "OFF").await;
        assert_eq!(house.reading("pump", "power").await.value, Value::Switch(false));
        house.stop().await.unwrap();
        assert_eq!(house.reading("pump", "power").await.value, Value::Switch(true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_is_taken_is_a_fault_of_its_device_alone() {
        let heater = output("lamp", 99, |_| {});
        let light = output("light", 6, |_| {});
        let mut house = House::of(vec![heater, light]);
        house.payload("home/lamp/availability", "offline").await;
        assert!(house.fault("lamp").is_some_and(|fault| fault.contains("there is no GPIO 99 here")));
        house.command("lamp", "power", "ON").await;
        assert!(!house.result("lamp", "power").await.ok);
        house.command("light", "power", "ON").await;
        assert!(house.result("light", "power").await.ok);
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_are_calibrated_and_reported_when_they_change() {
        let temperature = PropertyId::new("temperature").unwrap();
        let plain = House::demo_with(&["kitchen"]).number("kitchen", "temperature").await;
        let mut kitchen = plain_house().into_iter().find(|device| device.id.as_str() == "kitchen").unwrap();
        kitchen.calibrate.insert(temperature.clone(), CalibrateConfig::linear(1.0, 10.0));
        kitchen.report.insert(
            temperature,
            ReportConfig { delta: 50.0, at_least_every: Some(Duration::from_secs(600)), at_most_every: None },
        );
        let mut house = House::of(vec![kitchen]);
        let calibrated = house.number("kitchen", "temperature").await;
        assert!((calibrated - plain - 10.0).abs() < 0.1, "{plain} became {calibrated}");
        house.pass(30 * MINUTE).await;
        let count = house.readings_so_far("kitchen", "temperature").len();
        assert!((3..=5).contains(&count), "a heartbeat every ten minutes, not {count} in half an hour");
        house.stop().await.unwrap();
    }

    #[test]
    fn devices_that_do_not_go_together_are_refused_whole() {
        let output = || DriverConfig::Output(OutputConfig::at(LineNumber::new(5)));
        let device = |id: &str| DeviceConfig::new(DeviceId::new(id).unwrap(), id, output());
        let parts = crate::harness::parts(vec![device("a"), device("b")]);
        let error = Bridge::new(parts).unwrap_err();
        assert!(error.to_string().contains("both use GPIO 5"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_inventory_tells_everything() {
        let bridge = Bridge::new(crate::harness::parts(demo_house())).unwrap();
        let inventory = bridge.inventory();
        let heater = inventory.iter().find(|device| device.id.as_str() == "heater").unwrap();
        assert_eq!((heater.connection.as_str(), heater.simulated), ("GPIO 22, header pin 15", true));
        assert!(heater.properties[0].settable);
        let machine = inventory.iter().find(|device| device.id.as_str() == "this-machine").unwrap();
        assert!(!machine.simulated && machine.period_ms == Some(5_000));
        assert!(machine.properties.iter().all(|property| !property.settable));
    }

    fn ids(ids: &[DeviceId]) -> Vec<&str> {
        ids.iter().map(DeviceId::as_str).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn another_configuration_touches_only_what_changed() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
        let pump = output("pump", 5, |_| {});
        let lamp = |hours_on| output("lamp", 6, |output| output.max_on = hours(hours_on));
        let fan = output("fan", 13, |_| {});
        let mut house = House::of(vec![pump.clone(), lamp(1), fan]);
        for device in ["pump", "lamp", "fan"] {
            house.command(device, "power", "ON").await;
            assert!(house.result(device, "power").await.ok);
        }

        let renamed = DeviceConfig { name: "Big pump".to_owned(), room: Some("Cellar".to_owned()), ..pump };
        let valve = output("valve", 13, |_| {});
        let applied = house.apply(vec![valve, lamp(2), renamed]).await.unwrap();
        assert_eq!(ids(&applied.added), ["valve"]);
        assert_eq!(ids(&applied.changed), ["lamp"]);
        assert_eq!(ids(&applied.removed), ["fan"]);
        let names: Vec<&str> = applied.inventory.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names, ["valve", "lamp", "Big pump"]);

        house.payload("home/valve/power", "OFF").await;
        assert_eq!(house.level("pump"), Level::Active, "nobody touched it");
        assert_eq!(house.level("lamp"), Level::Inactive, "it was started anew, at its safe level");
        house.payload("home/fan/power", "").await;
        house.payload("home/fan/availability", "").await;

        // A relay does not chatter, also when it is the configuration that switched it off.
        house.pass(Duration::from_secs(1)).await;
        for (device, is_there) in [("pump", true), ("lamp", true), ("valve", true), ("fan", false)] {
            house.command(device, "power", "ON").await;
            assert_eq!(house.result(device, "power").await.ok, is_there, "{device}");
        }
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_configuration_that_cannot_be_served_touches_nothing() {
        let mut house = House::of(vec![output("pump", 5, |_| {})]);
        house.command("pump", "power", "ON").await;
        assert!(house.result("pump", "power").await.ok);
        let twice = vec![output("lamp", 6, |_| {}), output("fan", 6, |_| {})];
        let problem = house.handle.clone().apply(twice).await.unwrap_err();
        assert!(problem.to_string().contains("both use GPIO 6"), "{problem}");
        assert_eq!(house.level("pump"), Level::Active);
        house.stop().await.unwrap();
        assert!(matches!(house.handle.apply(Vec::new()).await, Err(BridgeError::Ended)));
    }

    #[tokio::test(start_paused = true)]
    async fn sensors_and_inputs_come_and_go_and_their_lines_are_free_again() {
        let demo = plain_house();
        let with = |ids: &[&str]| -> Vec<DeviceConfig> {
            demo.iter().filter(|device| ids.contains(&device.id.as_str())).cloned().collect()
        };
        let door = demo.iter().find(|device| matches!(device.driver, DriverConfig::Input(_))).unwrap();
        let (door_id, line) = (door.id.clone(), door.driver.pins()[0].header_line().unwrap().number());
        let mut house = House::of(with(&["heater", door_id.as_str()]));
        house.message(&format!("home/{door_id}/availability")).await;
        // The door's pin becomes an output, which only works when its input let go of it.
        let lamp = output("lamp", line, |_| {});
        let applied = house.apply([with(&["heater"]), vec![lamp]].concat()).await.unwrap();
        assert_eq!((ids(&applied.added), ids(&applied.removed)), (vec!["lamp"], vec![door_id.as_str()]));
        house.command("lamp", "power", "ON").await;
        assert!(house.result("lamp", "power").await.ok);
        let applied = house.apply(demo.clone()).await.unwrap();
        assert_eq!(ids(&applied.removed), ["lamp"]);
        assert_eq!(applied.inventory.len(), demo.len());
        for device in &demo {
            house.payload(&format!("home/{}/availability", device.id), "online").await;
        }
        house.stop().await.unwrap();
    }
}

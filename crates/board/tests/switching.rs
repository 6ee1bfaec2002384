//! What is switched, through the whole bridge on the simulated board, in time that is stepped by the test runtime.

#[cfg(test)]
#[expect(dead_code, reason = "each test file uses the part of the harness that it needs")]
mod harness;

#[cfg(test)]
mod switching {
    use std::time::Duration;

    use gatehouse_board::BridgeError;
    use gatehouse_board::config::{
        CoverConfig, DeadMan, DeviceConfig, DriverConfig, FilterRule, LineNumber, OutputKind,
        SimulatedClimateConfig, Source,
    };
    use gatehouse_board::memory::Memory;
    use gatehouse_board::sim::demo_house;
    use gatehouse_board::traits::Level;
    use gatehouse_model::{DeviceId, PropertyId, Value};

    use crate::harness::{House, MINUTE, output, paused_clock};

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "the clock of these tests is tokio's, which is paused")]
    fn now() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    /// All outputs once waited for each other: one pin that hung held the others up for two seconds each time.
    #[tokio::test(start_paused = true)]
    async fn a_pin_that_hangs_delays_no_other_and_the_stop_is_bounded() {
        let mut devices: Vec<DeviceConfig> =
            (5..9).map(|line| output(&format!("lamp-{line}"), line, |_| {})).collect();
        devices.push(output("sick", 20, |_| {}));
        let mut house = House::with_a_line_that_hangs(devices, 20);
        house.command("sick", "power", "ON").await;
        let asked = now();
        for line in 5..9 {
            let lamp = format!("lamp-{line}");
            house.command(&lamp, "power", "ON").await;
            assert!(house.result(&lamp, "power").await.ok);
        }
        assert!(asked.elapsed() < SECOND / 10, "{:?}", asked.elapsed());
        let result = house.result("sick", "power").await;
        assert!(!result.ok && result.reason.is_some_and(|reason| reason.contains("sick")));
        house.payload("home/sick/availability", "offline").await;
        house.command("sick", "power", "OFF").await;
        let asked = now();
        house.stop().await.unwrap();
        assert!(asked.elapsed() < 3 * SECOND, "{:?}", asked.elapsed());
        for line in 5..9 {
            assert_eq!(house.level(&format!("lamp-{line}")), Level::Inactive);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cover_goes_where_it_is_told_and_says_where_it_is() {
        let cover = CoverConfig::at(LineNumber::new(5), LineNumber::new(6), 20 * SECOND);
        let id = DeviceId::new("blind").unwrap();
        let mut house = House::of(vec![DeviceConfig::new(id, "Blind", DriverConfig::Cover(cover))]);
        let relays =
            |house: &House| [5, 6].map(|line| house.board.level(LineNumber::new(line)).unwrap().is_on());
        house.payload("home/blind/state", "stopped").await;
        house.command("blind", "state", "CLOSE").await;
        assert!(house.result("blind", "state").await.ok);
        house.payload("home/blind/state", "closing").await;
        assert_eq!(relays(&house), [false, true]);
        house.payload("home/blind/state", "closed").await;
        house.payload("home/blind/position", "0").await;
        house.command("blind", "position", "50").await;
        house.payload("home/blind/state", "opening").await;
        assert_eq!(relays(&house), [true, false]);
        house.payload("home/blind/state", "stopped").await;
        house.payload("home/blind/position", "50").await;
        assert_eq!(relays(&house), [false, false]);
        house.command("blind", "state", "OPEN").await;
        house.payload("home/blind/state", "opening").await;
        house.stop().await.unwrap();
        assert_eq!(relays(&house), [false, false]);
    }

    /// The travel times were corrected because the place was wrong, and the wrong place stayed.
    #[tokio::test(start_paused = true)]
    async fn a_cover_with_other_times_or_relays_does_not_know_where_it_is() {
        let cover = |change: &dyn Fn(&mut CoverConfig)| {
            let mut cover = CoverConfig::at(LineNumber::new(5), LineNumber::new(6), 20 * SECOND);
            change(&mut cover);
            vec![DeviceConfig::new(DeviceId::new("blind").unwrap(), "Blind", DriverConfig::Cover(cover))]
        };
        let as_it_was = || cover(&|_| {});
        let position = "home/blind/position";
        let memory = Memory::volatile(paused_clock());
        let mut house = House::that_remembers(as_it_was(), memory.clone());
        house.payload(position, "").await;
        house.command("blind", "position", "50").await;
        house.payload(position, "50").await;
        house.payload("home/blind/state", "stopped").await;
        house.stop().await.unwrap();

        let mut house = House::that_remembers(as_it_was(), memory.clone());
        house.payload(position, "50").await;
        let changes: [&dyn Fn(&mut CoverConfig); 3] = [
            &|cover| cover.close_time = 25 * SECOND,
            &|cover| cover.open = LineNumber::new(7).into(),
            &|cover| std::mem::swap(&mut cover.open, &mut cover.close),
        ];
        for change in changes {
            house.apply(cover(change)).await.unwrap();
            house.payload(position, "").await;
            // Nothing moved meanwhile, so what was known of it as it was is true again.
            house.apply(as_it_was()).await.unwrap();
            house.payload(position, "50").await;
        }
        house.apply(cover(&|cover| cover.dead_time = 2 * SECOND)).await.unwrap();
        house.payload(position, "50").await;
        house.stop().await.unwrap();

        let mut house = House::that_remembers(cover(changes[0]), memory);
        house.payload(position, "").await;
        house.command("blind", "state", "CLOSE").await;
        house.payload(position, "0").await;
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_lamp_without_hardware_pwm_is_dimmed_by_software() {
        let period = Duration::from_millis(20);
        let lamp = output("lamp", 5, |output| output.kind = OutputKind::Pwm { period });
        let mut house = House::of(vec![lamp]);
        house.command("lamp", "level", "25").await;
        assert!(house.result("lamp", "level").await.ok);
        house.payload("home/lamp/level", "25").await;
        house.payload("home/lamp/power", "ON").await;
        let mut on = 0;
        for _ in 0..400 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            on += u32::from(house.level("lamp").is_on());
        }
        assert!((80..=120).contains(&on), "on for {on} of 400 ms");
        house.command("lamp", "power", "OFF").await;
        assert!(house.result("lamp", "power").await.ok);
        house.pass(SECOND).await;
        assert_eq!(house.level("lamp"), Level::Inactive);
        house.stop().await.unwrap();
    }

    /// It waited for as long as the dead-man allows, although the bridge knew within seconds that the sensor is dead.
    #[tokio::test(start_paused = true)]
    async fn an_output_goes_safe_when_its_sensor_has_failed() {
        let kitchen = demo_house().into_iter().find(|device| device.id.as_str() == "kitchen").unwrap();
        let source = Source::Sensor("kitchen/temperature".parse().unwrap());
        let heater =
            output("heater", 5, |output| output.dead_man = Some(DeadMan { source, within: 2 * MINUTE }));
        let mut house = House::of(vec![kitchen, heater]);
        house.number("kitchen", "temperature").await;
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok);
        house.pass(30 * MINUTE).await;
        assert_eq!(house.level("heater"), Level::Active, "its sensor is alive");
        house.board.set_failure(&DeviceId::new("kitchen").unwrap(), Some("its cable is cut"));
        let off = house.reading("heater", "power").await;
        assert_eq!(off.value, Value::Switch(false));
        assert!(off.cause.unwrap().to_string().contains("its sensor kitchen/temperature failed"));
        assert_eq!(house.level("heater"), Level::Inactive);
        house.board.set_failure(&DeviceId::new("kitchen").unwrap(), None);
        house.payload("home/kitchen/availability", "online").await;
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok, "its sensor is back");
        house.stop().await.unwrap();
    }

    /// A heartbeat told the last number of a sensor as good for as long as it had failed, and kept a heater on with that.
    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_keeps_no_failed_sensor_alive() {
        let mut kitchen = demo_house().into_iter().find(|device| device.id.as_str() == "kitchen").unwrap();
        let every = 20 * SECOND;
        kitchen.driver = DriverConfig::SimulatedClimate(SimulatedClimateConfig { every: 5 * SECOND });
        let temperature = PropertyId::new("temperature").unwrap();
        kitchen.filter.insert(temperature, vec![FilterRule::Heartbeat(every)]);
        let source = Source::Sensor("kitchen/temperature".parse().unwrap());
        let heater = output("heater", 5, |output| output.dead_man = Some(DeadMan { source, within: MINUTE }));
        let mut house = House::of(vec![kitchen, heater]);
        house.number("kitchen", "temperature").await;
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok);
        house.pass(10 * MINUTE).await;
        assert_eq!(house.level("heater"), Level::Active, "its sensor is alive");
        house.board.set_failure(&DeviceId::new("kitchen").unwrap(), Some("its cable is cut"));
        let off = house.reading("heater", "power").await;
        assert!(off.cause.unwrap().to_string().contains("its sensor kitchen/temperature failed"));
        let told = house.readings_so_far("kitchen", "temperature").len();
        house.pass(10 * MINUTE).await;
        assert_eq!(house.count_good_readings_after("kitchen", "temperature", told), 0);
        house.stop().await.unwrap();
    }

    /// A restart keeps what protects a compressor, and brings nothing back that nobody asked to be brought back.
    #[tokio::test(start_paused = true)]
    async fn the_shortest_off_time_holds_over_another_configuration() {
        let fridge = |max_on: u64| {
            output("fridge", 5, |output| {
                output.min_off = 3 * MINUTE;
                output.max_on = Some(Duration::from_secs(max_on));
            })
        };
        let mut house = House::of(vec![fridge(3_600)]);
        house.command("fridge", "power", "ON").await;
        assert!(house.result("fridge", "power").await.ok);
        house.apply(vec![fridge(7_200)]).await.unwrap();
        house.command("fridge", "power", "ON").await;
        let refused = house.result("fridge", "power").await;
        assert!(!refused.ok && refused.reason.is_some_and(|reason| reason.contains("at least 3m")));
        house.pass(3 * MINUTE).await;
        house.command("fridge", "power", "ON").await;
        assert!(house.result("fridge", "power").await.ok);
        house.stop().await.unwrap();
    }

    /// A heater whose relay line hung was taken out of the file: it was tried once, forgotten, and stayed on.
    #[tokio::test(start_paused = true)]
    async fn what_is_taken_out_and_cannot_be_driven_safe_is_tried_until_it_is() {
        let line = LineNumber::new(5);
        let mut house = House::of(vec![output("heater", 5, |_| {}), output("lamp", 6, |_| {})]);
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok);
        house.board.set_line_stuck(line, true);
        let lamp = vec![output("lamp", 6, |_| {})];
        let applied = house.apply(lamp.clone()).await.unwrap();
        let heater = DeviceId::new("heater").unwrap();
        assert_eq!(applied.removed, std::slice::from_ref(&heater));
        assert!(applied.unsafe_still.contains(&heater));
        let ids: Vec<&str> = applied.inventory.iter().map(|info| info.id.as_str()).collect();
        assert_eq!(ids, ["lamp", "heater"], "it is shown for as long as it may be on");
        house.payload("home/heater/availability", "offline").await;
        house.pass(10 * MINUTE).await;
        assert!(house.fault("heater").unwrap().contains("its pin reads on"));
        house.command("heater", "power", "OFF").await;
        let refused = house.result("heater", "power").await.reason.unwrap();
        assert!(refused.contains("taken out of the configuration"), "{refused}");
        // Another change does not make it forgotten.
        let applied = house.apply(vec![output("lamp", 7, |_| {})]).await.unwrap();
        assert!(applied.unsafe_still.contains(&heater) && applied.inventory.len() == 2);
        assert_eq!(house.board.level(line), Some(Level::Active));
        let mut unsafe_still = house.handle.unsafe_still();
        unsafe_still.mark_unchanged();
        house.board.set_line_stuck(line, false);
        house.payload("home/heater/availability", "").await;
        assert_eq!(house.board.level(line), Some(Level::Inactive));
        assert_eq!(house.latest("home/heater/json"), Some(String::new()));
        assert!(unsafe_still.has_changed().unwrap() && unsafe_still.borrow().is_empty());
        let applied = house.apply(lamp).await.unwrap();
        assert_eq!(applied.inventory.len(), 1);
        house.stop().await.unwrap();
    }

    /// The pin that a device had before is its fault until it is safe, whatever the new one does.
    #[tokio::test(start_paused = true)]
    async fn an_output_that_moves_away_from_a_pin_that_hangs_says_so() {
        let mut house = House::of(vec![output("heater", 5, |_| {})]);
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok);
        house.board.set_line_stuck(LineNumber::new(5), true);
        let applied = house.apply(vec![output("heater", 6, |_| {})]).await.unwrap();
        assert_eq!((applied.changed.len(), applied.inventory.len(), applied.unsafe_still.len()), (1, 1, 1));
        house.pass(MINUTE).await;
        assert!(house.fault("heater").unwrap().contains("its pin reads on"));
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok, "the new pin does what it is told");
        assert_eq!(house.level("heater"), Level::Active);
        house.board.set_line_stuck(LineNumber::new(5), false);
        house.payload("home/heater/availability", "online").await;
        assert_eq!(house.board.level(LineNumber::new(5)), Some(Level::Inactive));
        assert_eq!((house.fault("heater"), house.level("heater")), (None, Level::Active));
        house.stop().await.unwrap();
    }

    /// What is kept because it is not safe gives way to whoever has its pin now, and the stop drives what is left.
    #[tokio::test(start_paused = true)]
    async fn a_pin_that_is_kept_is_given_to_the_device_that_has_it_now() {
        let (five, six) = (LineNumber::new(5), LineNumber::new(6));
        let mut house = House::of(vec![output("heater", 5, |_| {}), output("pump", 6, |_| {})]);
        for device in ["heater", "pump"] {
            house.command(device, "power", "ON").await;
            assert!(house.result(device, "power").await.ok);
        }
        house.board.set_line_stuck(five, true);
        house.board.set_line_stuck(six, true);
        assert_eq!(house.apply(Vec::new()).await.unwrap().unsafe_still.len(), 2);
        let applied = house.apply(vec![output("fan", 5, |_| {})]).await.unwrap();
        let kept: Vec<&str> = applied.unsafe_still.iter().map(DeviceId::as_str).collect();
        assert_eq!(kept, ["pump"]);
        house.pass(MINUTE).await;
        assert!(house.fault("fan").unwrap().contains("fan was switched off but its pin reads on"));
        house.board.set_line_stuck(five, false);
        house.board.set_line_stuck(six, false);
        house.stop().await.unwrap();
        assert_eq!([five, six].map(|line| house.board.level(line)), [Some(Level::Inactive); 2]);
    }

    /// A lamp that is dimmed by software is switched outside of any command. A bug there ended its task in silence: the line
    /// was given back as it was, on, and the gateway went on as if all was well.
    #[tokio::test(start_paused = true)]
    async fn a_driver_with_a_bug_ends_the_bridge_with_all_outputs_safe() {
        let period = Duration::from_millis(20);
        let lamp = output("lamp", 5, |output| output.kind = OutputKind::Pwm { period });
        let mut house = House::with_a_line_that_panics(vec![lamp, output("heater", 6, |_| {})], 5, 8);
        house.command("heater", "power", "ON").await;
        assert!(house.result("heater", "power").await.ok);
        house.command("lamp", "level", "50").await;
        let problem = house.ended().await.unwrap_err();
        assert!(
            matches!(&problem, BridgeError::PartDied { part, .. } if part == "output `lamp`"),
            "{problem}"
        );
        assert_eq!(["lamp", "heater"].map(|device| house.level(device)), [Level::Inactive; 2]);
    }

    /// The files of hardware PWM may take half a second to be given to their group. Others were held up meanwhile, since the
    /// wait was on a thread that serves all.
    #[tokio::test(start_paused = true)]
    async fn pwm_that_takes_long_to_be_had_delays_no_other() {
        let period = Duration::from_millis(2);
        let lamp = output("lamp", 18, |output| output.kind = OutputKind::Pwm { period });
        let (mut house, go_on) = House::with_slow_pwm(vec![lamp, output("fan", 6, |_| {})]);
        house.command("fan", "power", "ON").await;
        assert!(house.result("fan", "power").await.ok);
        assert_eq!(house.level("fan"), Level::Active);
        house.command("lamp", "level", "50").await;
        go_on.send(()).unwrap();
        assert!(house.result("lamp", "level").await.ok);
        house.payload("home/lamp/level", "50").await;
        house.stop().await.unwrap();
    }
}

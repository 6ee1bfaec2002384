//! A browser without a screen: HTTP requests with a cookie, and the event stream.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::Body;
use ureq::http::{HeaderMap, Request, Response};

use crate::inbox::Inbox;
use crate::wait::LIMIT;

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The value of a header; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts the status and gives the answer on.
    ///
    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Asserts that this is an error with this status and code, and a message that a person can read.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let error = &self.json()["error"];
        assert_eq!(error["code"], code, "{self:?}");
        let message = error["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(' '), "the message is no sentence: {self:?}");
        message
    }
}

/// One browser with its cookies.
#[derive(Clone, Debug)]
pub struct Browser {
    agent: Agent,
    address: SocketAddr,
}

impl Browser {
    /// A browser that has never been here.
    pub fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy of the environment must not come between the test and the gateway.
            .proxy(None)
            .timeout_connect(Some(LIMIT))
            .timeout_recv_response(Some(LIMIT))
            .build();
        Self { agent: config.into(), address }
    }

    fn address_of(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET path`
    ///
    /// # Panics
    /// When no answer comes.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// `GET path`, which may fail because the gateway is stopping.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn try_get(&self, path: &str) -> Result<Answer, String> {
        let response = self.agent.get(self.address_of(path)).call();
        response.map_err(|error| error.to_string()).and_then(read)
    }

    /// `GET path` of a file that is no text: the bytes, and the length that its headers give.
    ///
    /// # Panics
    /// When no file comes.
    pub fn get_bytes(&self, path: &str) -> (Vec<u8>, Option<u64>) {
        let response = self.agent.get(self.address_of(path)).call();
        let mut response = response.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(response.status(), 200, "GET {path}: {response:?}");
        let length = response.headers().get("content-length").and_then(|length| length.to_str().ok());
        let length = length.and_then(|length| length.parse().ok());
        let bytes = response.body_mut().read_to_vec();
        (bytes.unwrap_or_else(|error| panic!("GET {path}: {error}")), length)
    }

    /// `GET path` with further headers.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.without_body("GET", path, headers)
    }

    /// `GET path` with further headers, which may fail because the gateway is stopping.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn try_get_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.try_without_body("GET", path, headers)
    }

    /// `DELETE path`
    ///
    /// # Panics
    /// When no answer comes.
    pub fn delete(&self, path: &str) -> Answer {
        self.without_body("DELETE", path, &[])
    }

    fn without_body(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.try_without_body(method, path, headers);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_without_body(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(self.address_of(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        self.agent.run(request).map_err(|error| error.to_string()).and_then(read)
    }

    /// `POST path` with a JSON body.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, "application/json", &body.to_string(), &[])
    }

    /// `PUT path` with a JSON body.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        let request = Request::put(self.address_of(path)).header("content-type", "application/json");
        let request = request.body(body.to_string()).unwrap_or_else(|error| panic!("PUT {path}: {error}"));
        let response = self.agent.run(request).map_err(|error| error.to_string());
        response.and_then(read).unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    /// `PUT path` with bytes as they are, and further headers.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn put_bytes(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut request =
            Request::put(self.address_of(path)).header("content-type", "application/octet-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).unwrap_or_else(|error| panic!("PUT {path}: {error}"));
        let response = self.agent.run(request).map_err(|error| error.to_string());
        response.and_then(read).unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    /// `POST path` with a body of any content type and further headers.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn post_text(&self, path: &str, content_type: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(self.address_of(path)).header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned()).unwrap_or_else(|error| panic!("POST {path}: {error}"));
        let response = self.agent.run(request).map_err(|error| error.to_string());
        response.and_then(read).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Logs in.
    ///
    /// # Panics
    /// When the gateway does not let us in.
    pub fn log_in(&self, name: &str, password: &str) {
        let body = serde_json::json!({ "name": name, "password": password });
        self.post("/api/v1/login", &body).expect(200);
    }

    /// The whole house as the page sees it.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn house(&self) -> Value {
        self.get("/api/v1/house").expect(200).json()
    }

    /// The first device and property of the house that `pick` takes.
    ///
    /// # Panics
    /// When there is none.
    pub fn find(&self, what: &str, pick: impl Fn(&Value, &Value) -> bool) -> Point {
        let house = self.house();
        let base = house["gateway"]["base"].as_str().unwrap_or("home").to_owned();
        for device in house["devices"].as_array().into_iter().flatten() {
            for property in device["properties"].as_array().into_iter().flatten() {
                if pick(device, property) {
                    return Point {
                        base,
                        device: device["id"].as_str().unwrap_or_default().to_owned(),
                        property: property["id"].as_str().unwrap_or_default().to_owned(),
                    };
                }
            }
        }
        panic!("the house has no {what}: {house:#}");
    }

    /// Opens the event stream.
    ///
    /// # Panics
    /// When the gateway does not answer with one.
    pub fn events(&self) -> EventStream {
        self.stream("/api/v1/events")
    }

    /// Opens a stream of events.
    ///
    /// # Panics
    /// When the gateway does not answer with one.
    pub fn stream(&self, path: &str) -> EventStream {
        let request = self.agent.get(self.address_of(path));
        let response = request.call().unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(response.status(), 200);
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        assert!(content_type.is_some_and(|kind| kind.starts_with("text/event-stream")), "{content_type:?}");
        let inbox = Inbox::default();
        let events = inbox.clone();
        std::thread::spawn(move || {
            read_events(response.into_body(), &events);
            events.close();
        });
        EventStream { events: inbox }
    }
}

/// One property of one device, with its topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The base topic of its gateway.
    pub base: String,
    /// The id of the device.
    pub device: String,
    /// The id of the property.
    pub property: String,
}

impl Point {
    /// The topic of its value.
    pub fn topic(&self) -> String {
        format!("{}/{}/{}", self.base, self.device, self.property)
    }

    /// The path of the API that sets it.
    pub fn set_path(&self) -> String {
        format!("/api/v1/devices/{}/properties/{}/set", self.device, self.property)
    }

    /// The path of its history.
    pub fn history_path(&self) -> String {
        format!("/api/v1/history/{}/{}", self.device, self.property)
    }

    /// Its latest reading in a [`Browser::house`]; null before the first.
    pub fn reading(&self, house: &Value) -> Value {
        let devices = house["devices"].as_array().into_iter().flatten();
        let properties = devices
            .filter(|device| device["id"] == self.device.as_str())
            .flat_map(|device| device["properties"].as_array().into_iter().flatten());
        let mut ours = properties.filter(|property| property["id"] == self.property.as_str());
        ours.next().map_or(Value::Null, |property| property["reading"].clone())
    }
}

fn read(mut response: Response<Body>) -> Result<Answer, String> {
    let body = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
}

/// The live events of the page.
#[derive(Debug)]
pub struct EventStream {
    events: Inbox<(String, Value)>,
}

impl EventStream {
    /// Waits for an event of this name that `pick` takes.
    ///
    /// # Panics
    /// When none comes within `limit`.
    pub fn wait<R>(&self, name: &str, limit: Duration, pick: impl Fn(&Value) -> Option<R>) -> R {
        self.events.wait(
            &format!("a `{name}` event"),
            limit,
            |(event, data)| {
                if event == name { pick(data) } else { None }
            },
        )
    }

    /// Whether an event of this name has come so far.
    pub fn has(&self, name: &str) -> bool {
        self.events.all().iter().any(|(event, _)| event == name)
    }

    /// Waits until the gateway has ended the stream.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub fn wait_end(&self, limit: Duration) {
        self.events.wait_closed("the end of the event stream", limit);
    }
}

/// Reads server-sent events: `event:` and `data:` lines, an empty line between two events.
fn read_events(body: Body, events: &Inbox<(String, Value)>) {
    let (mut name, mut data) = (String::new(), String::new());
    for line in BufReader::new(body.into_reader()).lines() {
        let Ok(line) = line else { return };
        if line.is_empty() {
            if !data.is_empty() {
                let value = serde_json::from_str(&data).unwrap_or(Value::String(data.clone()));
                events.push((std::mem::take(&mut name), value));
            }
            name.clear();
            data.clear();
        } else if let Some(text) = line.strip_prefix("event:") {
            text.trim().clone_into(&mut name);
        } else if let Some(text) = line.strip_prefix("data:") {
            data.push_str(text.trim_start());
        }
    }
}

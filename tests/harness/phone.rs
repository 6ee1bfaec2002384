//! An MQTT 5 client that remembers everything it received. It is made by others (rumqttc), so that the broker is not
//! tested with its own ideas of the protocol.

use std::fmt;
use std::net::SocketAddr;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAckReason, PublishProperties};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};

use crate::gateway::Login;
use crate::inbox::Inbox;
use crate::wait::LIMIT;

/// Requests that the client may hold before it has written them.
const REQUEST_CAPACITY: usize = 64;

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its topic.
    pub topic: String,
    /// Its payload, as text.
    pub payload: String,
    /// Whether it came from the retained store.
    pub retain: bool,
    /// Its quality of service: 0, 1 or 2.
    pub qos: u8,
    /// Its user properties.
    pub user: Vec<(String, String)>,
    /// Its correlation data, as text; empty when it has none.
    pub correlation: String,
}

impl Received {
    /// The value of a user property; empty when there is none.
    pub fn user_property(&self, name: &str) -> &str {
        self.user.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// The payload as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.payload).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

#[derive(Clone, Debug)]
enum Answered {
    Connected(bool),
    Subscribed(String),
    Published { refused: Option<String> },
    Ended(String),
}

/// An MQTT 5 client with a clean session.
pub struct Phone {
    client: Client,
    messages: Inbox<Received>,
    answers: Inbox<Answered>,
}

impl Phone {
    /// Connects and waits for the broker's consent.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn connect(address: SocketAddr, client_id: &str, login: &Login) -> Self {
        Self::connect_with(address, client_id, Some(login), None)
            .unwrap_or_else(|refusal| panic!("the broker refused {client_id} ({login:?}): {refusal}"))
    }

    /// Connects with or without a login, with or without a will (topic, payload, retain).
    ///
    /// # Errors
    /// When the broker refuses: why.
    pub fn connect_with(
        address: SocketAddr,
        client_id: &str,
        login: Option<&Login>,
        will: Option<(&str, &str, bool)>,
    ) -> Result<Self, String> {
        let mut options = MqttOptions::new(client_id, address.ip().to_string(), address.port());
        options.set_clean_start(true);
        if let Some(login) = login {
            options.set_credentials(&login.user, &login.password);
        }
        if let Some((topic, payload, retain)) = will {
            options.set_last_will(LastWill::new(topic, payload.to_owned(), QoS::AtLeastOnce, retain, None));
        }
        let (client, connection) = Client::new(options, REQUEST_CAPACITY);
        let (messages, answers) = (Inbox::default(), Inbox::default());
        let phone = Self { client, messages: messages.clone(), answers: answers.clone() };
        std::thread::spawn(move || {
            listen(connection, &messages, &answers);
            messages.close();
            answers.close();
        });
        phone.answers.wait("the broker's answer to the connection", LIMIT, |answer| match answer {
            Answered::Connected(true) => Some(Ok(())),
            Answered::Connected(false) => Some(Err("refused".to_owned())),
            Answered::Ended(reason) => Some(Err(reason.clone())),
            _ => None,
        })?;
        Ok(phone)
    }

    /// Subscribes with QoS 1 and waits for the broker's consent; gives its reason code.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn subscribe(&self, filter: &str) -> String {
        let mark = self.answers.mark();
        self.client.subscribe(filter, QoS::AtLeastOnce).expect("the client takes a subscription");
        self.answers.wait_after(mark, "the answer to a subscription", LIMIT, |answer| match answer {
            Answered::Subscribed(code) => Some(code.clone()),
            _ => None,
        })
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    ///
    /// # Errors
    /// The reason code when the broker refused the message.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn publish(&self, topic: &str, payload: &str, retain: bool) -> Result<(), String> {
        self.publish_with(topic, payload, retain, PublishProperties::default())
    }

    /// Publishes with QoS 1 and properties, and waits for the acknowledgement.
    ///
    /// # Errors
    /// The reason code when the broker refused the message.
    ///
    /// # Panics
    /// When no answer comes.
    pub fn publish_with(
        &self,
        topic: &str,
        payload: &str,
        retain: bool,
        properties: PublishProperties,
    ) -> Result<(), String> {
        let mark = self.answers.mark();
        let payload = payload.as_bytes().to_vec();
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties)
            .expect("the client takes a message");
        self.answers.wait_after(mark, "the acknowledgement of a message", LIMIT, |answer| match answer {
            Answered::Published { refused: None } => Some(Ok(())),
            Answered::Published { refused: Some(reason) } => Some(Err(reason.clone())),
            _ => None,
        })
    }

    /// Everything it has received and will receive.
    pub fn messages(&self) -> &Inbox<Received> {
        &self.messages
    }

    /// Waits for a message, old or new, on this topic that `pick` takes.
    ///
    /// # Panics
    /// When none has come within [`LIMIT`].
    pub fn wait<R>(&self, topic: &str, pick: impl Fn(&Received) -> Option<R>) -> R {
        self.wait_after(0, topic, pick)
    }

    /// Waits for a message on this topic that `pick` takes among those that came after `mark`.
    ///
    /// # Panics
    /// When none has come within [`LIMIT`].
    pub fn wait_after<R>(&self, mark: usize, topic: &str, pick: impl Fn(&Received) -> Option<R>) -> R {
        self.messages.wait_after(mark, &format!("a message on {topic}"), LIMIT, |message| {
            if message.topic == topic { pick(message) } else { None }
        })
    }

    /// Waits for this payload on this topic.
    ///
    /// # Panics
    /// When it has not come within [`LIMIT`].
    pub fn wait_payload(&self, topic: &str, payload: &str) -> Received {
        let what = format!("{payload} on {topic}");
        self.messages.wait(&what, LIMIT, |message| {
            (message.topic == topic && message.payload == payload).then(|| message.clone())
        })
    }

    /// Waits until the connection has ended, and gives why.
    ///
    /// # Panics
    /// When it has not within [`LIMIT`].
    pub fn wait_end(&self) -> String {
        self.answers.wait("the end of the connection", LIMIT, |answer| match answer {
            Answered::Ended(reason) => Some(reason.clone()),
            _ => None,
        })
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone").field("messages", &self.messages).finish_non_exhaustive()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

fn listen(mut connection: Connection, messages: &Inbox<Received>, answers: &Inbox<Answered>) {
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(packet)) => take(packet, messages, answers),
            Ok(Event::Outgoing(_)) => {}
            // It does not connect again: a test wants to see that a connection ended.
            Err(error) => {
                answers.push(Answered::Ended(error.to_string()));
                return;
            }
        }
    }
    answers.push(Answered::Ended("closed by this client".to_owned()));
}

fn take(packet: Packet, messages: &Inbox<Received>, answers: &Inbox<Answered>) {
    match packet {
        Packet::Publish(publish) => {
            let properties = publish.properties.unwrap_or_default();
            messages.push(Received {
                topic: text(&publish.topic),
                payload: text(&publish.payload),
                retain: publish.retain,
                qos: publish.qos as u8,
                user: properties.user_properties,
                correlation: text(&properties.correlation_data.unwrap_or_default()),
            });
        }
        Packet::ConnAck(answer) => answers
            .push(Answered::Connected(answer.code == rumqttc::v5::mqttbytes::v5::ConnectReturnCode::Success)),
        Packet::SubAck(answer) => answers.push(Answered::Subscribed(format!("{:?}", answer.return_codes))),
        Packet::PubAck(answer) => {
            let done = matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            let reason =
                answer.properties.and_then(|properties| properties.reason_string).unwrap_or_default();
            let refused = (!done).then(|| format!("{:?}: {reason}", answer.reason));
            answers.push(Answered::Published { refused });
        }
        _ => {}
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! The clients of the broker, for the page on which people and their phones are.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_broker::{BrokerGone, BrokerHandle, ClientView, TopicPattern};
use gatehouse_dashboard::{MqttClientState, MqttClients, MqttConnection, MqttGone, NamedRights};

use crate::rights::RightsSets;

/// The broker as the dashboard asks about its clients.
pub(crate) struct BrokerClients {
    broker: BrokerHandle,
    sets: Arc<RightsSets>,
}

impl BrokerClients {
    pub(crate) fn new(broker: BrokerHandle, sets: Arc<RightsSets>) -> Self {
        Self { broker, sets }
    }
}

fn state_of(view: ClientView) -> MqttClientState {
    MqttClientState {
        client_id: view.client_id.to_string(),
        login: view.user.to_string(),
        connection: view.connection.map(|connection| MqttConnection {
            address: connection.peer.map(|peer| peer.ip().to_canonical()),
            protocol: connection.protocol,
            connected_for: connection.connected_for,
        }),
        last_heard: view.last_heard,
        subscriptions: view.subscriptions,
        queued: view.queued,
        dropped: view.dropped,
    }
}

#[async_trait]
impl MqttClients for BrokerClients {
    fn rights_sets(&self) -> Vec<NamedRights> {
        let texts =
            |patterns: &[TopicPattern]| patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
        let named = |name: &str| {
            let set = self.sets.get(name)?;
            let (publish, subscribe) = (texts(&set.publish), texts(&set.subscribe));
            Some(NamedRights { name: name.to_owned(), publish, subscribe })
        };
        self.sets.names().into_iter().filter_map(named).collect()
    }

    async fn clients(&self) -> Result<Vec<MqttClientState>, MqttGone> {
        let views = self.broker.clients().await.map_err(|BrokerGone| MqttGone)?;
        Ok(views.into_iter().map(state_of).collect())
    }

    async fn disconnect(&self, client_id: &str) -> Result<bool, MqttGone> {
        self.broker.disconnect(client_id).await.map_err(|BrokerGone| MqttGone)
    }
}

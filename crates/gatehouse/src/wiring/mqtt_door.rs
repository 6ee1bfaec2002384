//! MQTT clients that come by WebSocket go from the web port to the broker.

use std::net::SocketAddr;

use async_trait::async_trait;
use gatehouse_broker::{Doorway, DoorwayPlace, NoPlace};
use gatehouse_dashboard::{ByteStream, MqttDoor, MqttPlace, MqttRefusal};

/// The broker's doorway as the web port knows it.
pub(crate) struct WebDoor {
    doorway: Doorway,
}

impl WebDoor {
    pub(crate) fn new(doorway: Doorway) -> Self {
        Self { doorway }
    }
}

#[async_trait]
impl MqttDoor for WebDoor {
    async fn admit(&self, peer: SocketAddr) -> Result<Box<dyn MqttPlace>, MqttRefusal> {
        match self.doorway.admit(peer).await {
            Ok(place) => Ok(Box::new(WebPlace { place })),
            Err(NoPlace::Full) => Err(MqttRefusal::Full),
            Err(NoPlace::Stopped) => Err(MqttRefusal::Stopped),
        }
    }
}

struct WebPlace {
    place: DoorwayPlace,
}

#[async_trait]
impl MqttPlace for WebPlace {
    async fn serve(self: Box<Self>, stream: &mut dyn ByteStream) {
        self.place.serve(stream).await;
    }
}

//! The MQTT broker: codec, sessions, router, store, listeners.

//! What the standards demand of a server, chapter by chapter, checked on the wire of a running broker: bytes in, bytes
//! out. `statements/` says which test holds which numbered statement. Where a demand is in both versions of the
//! standard the test goes through both.

mod acknowledgements;
mod connect;
mod order;
mod publish;
mod retain;
mod session;
mod subscribe;
mod topics;
mod unsubscribe;
mod will;
mod wire;

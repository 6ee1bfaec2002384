//! What the standards demand of a server, chapter by chapter, checked on the wire of a running broker: bytes in, bytes
//! out. `statements/` says which test holds which numbered statement. Where a demand is in both versions of the
//! standard the test goes through both.

mod acknowledgements;
mod alias;
mod auth;
mod connect;
mod disconnect;
mod flow;
mod malformed;
mod order;
mod properties;
mod publish;
mod retain;
mod session;
mod shared;
mod strings;
mod subscribe;
mod topics;
mod unsubscribe;
mod will;
mod wire;

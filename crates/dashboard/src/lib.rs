//! The dashboard: HTTP API, event stream, accounts and the embedded web app.

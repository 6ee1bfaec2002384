//! Page and API as a browser meets them: most through the router, the life of connections through a real listener.

mod backup;
mod board;
mod configuration;
mod demo;
mod description;
mod diary;
mod doctor;
mod events;
mod exports;
mod first_run;
mod home;
mod house;
mod https;
mod keeping;
mod messages;
mod metrics;
mod mqtt;
mod page;
mod people;
mod server;
mod session;
mod system;
mod work;
mod world;

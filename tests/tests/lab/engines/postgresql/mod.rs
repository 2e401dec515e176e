//! `PostgreSQL`: servers of this machine's version, made for each test.

mod cluster;
mod refused;
mod restored;
mod store;
mod tools;

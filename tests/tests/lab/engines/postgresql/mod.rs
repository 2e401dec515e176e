//! `PostgreSQL`: servers of this machine's version, made for each test.

mod cluster;
mod excluded;
mod pooled;
mod refused;
mod rehearsed;
mod restored;
mod store;
mod tools;

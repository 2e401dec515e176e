//! Isolated host.

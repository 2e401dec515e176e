//! `MongoDB`.

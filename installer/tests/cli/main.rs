//! The program `install` as a user meets it before there is a bundle or a host: its help and its
//! errors.

#[cfg(test)]
mod errors;
#[cfg(test)]
mod help;

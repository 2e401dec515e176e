//! The program `install` as a user meets it where there is no bundle and no host yet: its help and its
//! errors.

#[cfg(test)]
mod errors;
#[cfg(test)]
mod help;

//! A bound on what an XML reader keeps of one event.

use std::io::{self, BufRead};

/// Ends the reading of one tag or text before more of it is kept in memory than it may have.
pub(super) struct EventBound<R> {
    pub(super) input: R,
    pub(super) left: usize,
}

impl<R: BufRead> io::Read for EventBound<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: BufRead> BufRead for EventBound<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.input.fill_buf()?;
        let within = available.len().min(self.left);
        if within == 0 && !available.is_empty() {
            return Err(io::Error::other("it has an element that is too long"));
        }
        Ok(&available[..within])
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.input.consume(amount);
    }
}

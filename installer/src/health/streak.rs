//! Decides when a service counts as healthy: after enough good answers in a row.

/// Good answers in a row, all from one process that systemd did not restart meanwhile.
#[derive(Debug, Default)]
pub(super) struct Streak {
    pub(super) length: u32,
    /// Main process, and how often systemd had restarted it.
    pub(super) process: (u32, Option<u64>),
    /// How many processes there were.
    pub(super) processes: u32,
}

impl Streak {
    pub(super) fn see(&mut self, well: Option<(u32, Option<u64>)>) {
        match well {
            Some(process) if process == self.process => self.length += 1,
            Some(process) => {
                let processes = self.processes + 1;
                *self = Self {
                    length: 1,
                    process,
                    processes,
                };
            }
            None => self.length = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streak_belongs_to_one_process_that_was_not_restarted() {
        let lengths = |seen: &[Option<(u32, Option<u64>)>]| {
            let mut streak = Streak::default();
            for well in seen {
                streak.see(*well);
            }
            (streak.length, streak.processes)
        };
        let same = Some((7, Some(0)));
        assert_eq!(lengths(&[same, same, same]), (3, 1));
        assert_eq!(lengths(&[same, None, same]), (1, 1));
        assert_eq!(lengths(&[same, same, None]), (0, 1));
        assert_eq!(lengths(&[same, same, Some((8, Some(1)))]), (1, 2));
        // The same process id again, after a restart.
        assert_eq!(lengths(&[same, same, Some((7, Some(1)))]), (1, 2));
        // An old systemd does not count restarts.
        assert_eq!(lengths(&[Some((7, None)), Some((7, None))]), (2, 1));
    }
}

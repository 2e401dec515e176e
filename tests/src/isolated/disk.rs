//! A small disk of its own for a host or for a part of it, and the ballast that fills it.
//!
//! The disk is ext4 on a loop file, without reserved blocks. The ballast lies beside what the host
//! sees, so that a full disk looks to the host like one that others have filled.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab makes a real filesystem and mounts it"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::mount::mount_bind;

use super::cache::make_dir;
use super::error::{HostError, Result};
use super::overlay::unmount_below;

/// The smallest size of a file on disk.
const BLOCK_BYTES: u64 = 4096;
const WATCH: Duration = Duration::from_millis(1);

/// What a host's small disk is to be like.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    pub mib: u64,
    pub holds: Holds,
}

/// What is on the small disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Everything that the host writes.
    Root,
    /// These directories of it, with their content.
    Trees(&'static [&'static str]),
}

/// A mounted disk. Dropping it unmounts; its file goes with the host's directory.
#[derive(Debug)]
pub(super) struct Disk {
    holds: Holds,
    ballast: Ballast,
}

/// The ballast that takes the free space of a disk.
#[derive(Clone, Debug)]
pub struct Ballast {
    mount: PathBuf,
}

/// Takes what becomes free, until it is dropped.
#[derive(Debug)]
pub struct Hoarder {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Makes and mounts it in a host's directory.
    pub(super) fn mount(options: &DiskOptions, directory: &Path) -> Result<Self> {
        let (image, mount) = (directory.join("disk.ext4"), directory.join("disk"));
        make_dir(&mount)?;
        File::create(&image)
            .and_then(|file| file.set_len(options.mib << 20))
            .map_err(HostError::io("make", &image))?;
        run("mkfs.ext4", &["-q", "-F", "-m", "0"], &[&image])?;
        // The loop device goes with its mount.
        run("mount", &["-o", "loop"], &[&image, &mount])?;
        Ok(Self {
            holds: options.holds,
            ballast: Ballast { mount },
        })
    }

    /// Where the writable part of the root goes; nothing when that is not on this disk.
    pub(super) fn upper(&self) -> Option<PathBuf> {
        (self.holds == Holds::Root).then(|| self.ballast.mount.join("root"))
    }

    /// Moves the trees of the root `root` here, each under its own name.
    pub(super) fn take_trees(&self, root: &Path) -> Result<()> {
        let Holds::Trees(trees) = self.holds else {
            return Ok(());
        };
        for (number, tree) in trees.iter().enumerate() {
            let inside = root.join(tree.trim_start_matches('/'));
            let own = self.ballast.mount.join(format!("tree-{number}"));
            if inside.exists() {
                run("cp", &["-a"], &[&inside, &own])?;
            } else {
                make_dir(&inside)?;
                make_dir(&own)?;
            }
            mount_bind(&own, &inside).map_err(HostError::errno("bind", &inside))?;
        }
        Ok(())
    }

    pub(super) fn ballast(&self) -> &Ballast {
        &self.ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount_below(&self.ballast.mount);
    }
}

impl Ballast {
    /// Returns how much a program can still write.
    pub fn free_bytes(&self) -> Result<u64> {
        let stat = statvfs(&self.mount).map_err(HostError::errno("measure", &self.mount))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Grows until no more than `bytes` are free; it never shrinks.
    pub fn leave(&self, bytes: u64) -> Result<()> {
        let path = self.path();
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(HostError::io("open", &path))?;
        let mut length = file.metadata().map_err(HostError::io("stat", &path))?.len();
        let mut most = u64::MAX;
        loop {
            let over = self.free_bytes()?.saturating_sub(bytes);
            let chunk = over.min(most) / BLOCK_BYTES * BLOCK_BYTES;
            if chunk == 0 {
                return Ok(());
            }
            // The last blocks may be promised to others, or needed to keep account of the file.
            match fallocate(&file, FallocateFlags::empty(), length, chunk) {
                Ok(()) => length += chunk,
                Err(_) => most = chunk / 2,
            }
        }
    }

    /// Takes away at once whatever becomes free beyond `bytes`.
    #[must_use]
    pub fn hoard(&self, bytes: u64) -> Hoarder {
        let is_over = Arc::new(AtomicBool::new(false));
        let (own, ballast) = (Arc::clone(&is_over), self.clone());
        let thread = spawn(move || {
            while !own.load(Ordering::Relaxed) {
                // A disk that was unmounted has no free space either.
                let _ = ballast.leave(bytes);
                sleep(WATCH);
            }
        });
        Hoarder {
            is_over,
            thread: Some(thread),
        }
    }

    /// Gives all of it back.
    pub fn give_back(&self) -> Result<()> {
        let path = self.path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(HostError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Drop for Hoarder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> Result<()> {
    let spawned = Command::new(program).args(options).args(paths).output();
    let output = spawned.map_err(|source| HostError::Spawn {
        argv: program.to_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(HostError::Malformed {
        path: paths.first().map_or_else(PathBuf::new, PathBuf::from),
        reason: format!("{program}: {}", String::from_utf8_lossy(&output.stderr)),
    })
}

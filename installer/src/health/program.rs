//! Whether a unit runs the package's program when its main process is another one: an interpreter of
//! it, a launcher of it, or what a launcher turned into. docs/product-manifest.md has the rule.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use manifests::digest::{Sha256, of_reader};
use manifests::product::Component;

use crate::host::{Host, UnitProcess};
use crate::layout::Layout;

/// Whether the unit runs the component's program, whose file must have the digest `expected`.
pub(super) fn is_run(
    host: &dyn Host,
    layout: &Layout,
    component: &Component,
    unit: &str,
    expected: Sha256,
) -> bool {
    let processes = host.unit_processes(unit).unwrap_or_default();
    if processes.iter().any(|one| one.sha256 == Some(expected)) {
        return true;
    }
    // What interprets or launches the program has read its file. So the file must be the package's.
    let Some(path) = &component.program else {
        return false;
    };
    let path = layout.at(path);
    let Some(file) = ProgramFile::read(&path).filter(|file| file.sha256 == expected) else {
        return false;
    };
    let started = host.started_program(unit).ok().flatten();
    match file.kind {
        // It would be among the processes.
        FileKind::Native => false,
        FileKind::Script => is_interpreted(&processes, &path) || is_same(started.as_deref(), &path),
        FileKind::Other => is_interpreted(&processes, &path),
    }
}

/// Whether a process has the program's file on its command line, as an interpreter has.
fn is_interpreted(processes: &[UnitProcess], program: &Path) -> bool {
    let mut files = processes.iter().flat_map(|process| &process.files);
    files.any(|file| is_same(Some(file), program))
}

fn is_same(path: Option<&Path>, program: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    path.is_some_and(|path| real(path).is_some_and(|path| Some(path) == real(program)))
}

struct ProgramFile {
    sha256: Sha256,
    kind: FileKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    /// An ELF image: a process runs it itself.
    Native,
    /// It begins with `#!`. It may have replaced itself by what it launches (`exec`).
    Script,
    /// What an interpreter reads, such as a Java archive.
    Other,
}

impl ProgramFile {
    fn read(path: &Path) -> Option<Self> {
        // A pipe in its place must not hang this process.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        let mut file = options.read(true).custom_flags(flags).open(path).ok()?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut start = Vec::new();
        (&mut file).take(4).read_to_end(&mut start).ok()?;
        let (_, sha256) = of_reader(&mut start.as_slice().chain(file)).ok()?;
        Some(Self {
            sha256,
            kind: match start.as_slice() {
                b"\x7fELF" => FileKind::Native,
                [b'#', b'!', ..] => FileKind::Script,
                _ => FileKind::Other,
            },
        })
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests make files and programs"
)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_program_is_seen_and_it_is_hashed_whole() {
        let dir = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            let path = dir.path().join("program");
            std::fs::write(&path, content).unwrap();
            let file = ProgramFile::read(&path).unwrap();
            assert_eq!(file.sha256, Sha256::of(content));
            file.kind
        };
        assert_eq!(read(b"#!/usr/bin/perl\nsleep;\n"), FileKind::Script);
        assert_eq!(read(b"\x7fELF and more"), FileKind::Native);
        assert_eq!(read(b"PK\x03\x04 an archive"), FileKind::Other);
        assert_eq!(read(b""), FileKind::Other);
        assert!(ProgramFile::read(dir.path()).is_none());
    }

    #[test]
    fn an_interpreter_names_the_program_on_its_command_line() {
        let dir = tempfile::tempdir().unwrap();
        let [program, link, other] = ["program", "link", "other"].map(|name| dir.path().join(name));
        std::fs::write(&program, "x").unwrap();
        std::fs::write(&other, "x").unwrap();
        std::os::unix::fs::symlink(&program, &link).unwrap();
        let process = |file: &Path| {
            vec![UnitProcess {
                pid: 7,
                sha256: None,
                files: vec![file.to_owned()],
            }]
        };
        assert!(is_interpreted(&process(&program), &program));
        assert!(is_interpreted(&process(&program), &link));
        assert!(!is_interpreted(&process(&other), &program));
        assert!(!is_same(None, &program));
    }
}

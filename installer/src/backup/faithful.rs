//! Tests on the real filesystem what a restoration brings back besides the bytes, and which files
//! of its own a run leaves alone.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::blobs::Blobs;
use super::capture::{Contents, Writers, capture};
use super::restore::restore;
use super::snapshot::Snapshot;
use crate::layout::Layout;

const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";

struct Place {
    _dir: tempfile::TempDir,
    layout: Layout,
    blobs: Blobs,
    roots: Vec<String>,
}

impl Place {
    fn new(roots: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let blobs = Blobs::open(&layout.at("/blobs")).unwrap();
        let roots = roots.iter().map(|&root| root.to_owned()).collect();
        Self {
            _dir: dir,
            layout,
            blobs,
            roots,
        }
    }

    fn capture(&self) -> Snapshot {
        let keep = Contents::Keep(&self.blobs);
        capture(&self.layout, keep, Writers::Stopped, &self.roots, &[]).unwrap()
    }

    fn restore(&self, before: &Snapshot) {
        let displaced = self.layout.at("/displaced");
        restore(&self.layout, &self.blobs, before, &displaced).unwrap();
    }
}

/// Builds an ACL in the kernel's form: owner, one named user, group, mask, others.
fn acl(user: u32, permissions: u16) -> Vec<u8> {
    let none = u32::MAX;
    let entries = [
        (0x01_u16, 6_u16, none),
        (0x02, permissions, user),
        (0x04, 4, none),
        (0x10, 6, none),
        (0x20, 0, none),
    ];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// Builds `cap_net_bind_service=ep`, as `setcap` writes it.
fn capability() -> Vec<u8> {
    [0x0200_0001_u32, 1 << 10, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// Returns those attributes of a file that this filesystem accepts.
fn attributes(of: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let mut wanted = vec![
        (ACL, acl(4711, 6)),
        ("user.note", b"kept by hand".to_vec()),
        ("security.selinux", b"system_u:object_r:etc_t:s0\0".to_vec()),
    ];
    wanted.push(if of.is_dir() {
        (DEFAULT_ACL, acl(4712, 4))
    } else {
        ("security.capability", capability())
    });
    wanted.retain(|(name, value)| match xattr::set(of, name, value) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => false,
        Err(error) => panic!("{name}: {error}"),
    });
    wanted
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is the upgrade here")]
#[expect(clippy::too_many_lines, reason = "one story, in its order")]
fn attributes_owners_modes_and_times_come_back_on_files_and_directories() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new(&["/etc/p"]);
    let at = |path: &str| place.layout.at(path);
    fs::create_dir_all(at("/etc/p/sub")).unwrap();
    for path in ["/etc/p/conf", "/etc/p/replaced", "/etc/p/sub/gone"] {
        fs::write(at(path), path).unwrap();
    }
    let paths = [
        "/etc/p/conf",
        "/etc/p/replaced",
        "/etc/p/sub/gone",
        "/etc/p/sub",
    ];
    let mut given = Vec::new();
    for (number, path) in paths.into_iter().enumerate() {
        let path = at(path);
        let id = 4000 + u32::try_from(number).unwrap();
        std::os::unix::fs::chown(&path, Some(id), Some(id + 10)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2750)).unwrap();
        given.push(attributes(&path));
    }
    // Changes of owner, mode and attributes do not touch the modification time; it is set last.
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    for path in paths {
        fs::File::open(at(path))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let known: Vec<&str> = given[0].iter().map(|(name, _)| *name).collect();
    assert!(
        known.contains(&ACL) && known.contains(&"security.capability"),
        "{known:?}"
    );
    let before = place.capture();
    // Changes that an upgrade, a scriptlet or a person may make.
    for name in &known {
        xattr::remove(at("/etc/p/conf"), name).unwrap();
    }
    fs::set_permissions(at("/etc/p/conf"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(at("/etc/p/replaced")).unwrap();
    fs::write(at("/etc/p/replaced"), "vendor").unwrap();
    fs::remove_dir_all(at("/etc/p/sub")).unwrap();
    fs::create_dir(at("/etc/p/sub")).unwrap();
    xattr::set(at("/etc/p/sub"), DEFAULT_ACL, &acl(99, 6)).unwrap();
    fs::write(at("/etc/p/sub/appeared"), "vendor").unwrap();
    place.restore(&before);
    for ((number, path), wanted) in paths.into_iter().enumerate().zip(&given) {
        let real = at(path);
        let metadata = real.symlink_metadata().unwrap();
        let id = 4000 + u32::try_from(number).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (id, id + 10), "{path}");
        assert_eq!(metadata.mtime(), 1_600_000_000, "{path}");
        assert_eq!(metadata.mtime_nsec(), 123_456_789, "{path}");
        for (name, value) in wanted {
            let found = xattr::get(&real, name).unwrap();
            assert_eq!(found.as_ref(), Some(value), "{name} of {path}");
        }
        let names = xattr::list(&real).unwrap().count();
        assert_eq!(names, wanted.len(), "{path} has nothing more");
    }
    assert_eq!(fs::read(at("/etc/p/replaced")).unwrap(), b"/etc/p/replaced");
    assert!(!at("/etc/p/sub/appeared").exists());
    assert_eq!(place.capture().differences(&before), Vec::<String>::new());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is the upgrade here")]
fn a_symlink_comes_back_with_owner_and_label() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new(&["/etc/p"]);
    let at = |path: &str| place.layout.at(path);
    fs::create_dir_all(at("/etc/p")).unwrap();
    symlink("conf.d/mine", at("/etc/p/conf")).unwrap();
    std::os::unix::fs::lchown(at("/etc/p/conf"), Some(4000), Some(4001)).unwrap();
    let labels = [
        (
            "security.selinux",
            b"system_u:object_r:etc_t:s0\0".as_slice(),
        ),
        ("trusted.note", b"kept"),
    ];
    let kept: Vec<_> = labels
        .into_iter()
        .filter(|(name, value)| xattr::set(at("/etc/p/conf"), name, value).is_ok())
        .collect();
    assert!(!kept.is_empty(), "this filesystem labels no symlink");
    let before = place.capture();
    fs::remove_file(at("/etc/p/conf")).unwrap();
    fs::write(at("/etc/p/conf"), "vendor").unwrap();
    place.restore(&before);
    let metadata = at("/etc/p/conf").symlink_metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (4000, 4001));
    assert_eq!(
        fs::read_link(at("/etc/p/conf")).unwrap(),
        Path::new("conf.d/mine")
    );
    for (name, value) in kept {
        let found = xattr::get(at("/etc/p/conf"), name).unwrap();
        assert_eq!(found.as_deref(), Some(value), "{name}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is the run here")]
fn new_files_beside_a_hold_go_and_the_hold_stays() {
    let units = "/etc/systemd/system";
    let roots = ["a.service", "a.service.d", "b.service.d"].map(|name| format!("{units}/{name}"));
    let defaults = ["/etc/default/a", "/etc/sysconfig/a"];
    let roots: Vec<&str> = roots.iter().map(String::as_str).chain(defaults).collect();
    let place = Place::new(&roots);
    let at = |path: &str| place.layout.at(path);
    let unit = |name: &str| at(&format!("{units}/{name}"));
    for dir in [
        "/etc/default",
        "/etc/sysconfig",
        "/etc/systemd/system/b.service.d",
    ] {
        fs::create_dir_all(at(dir)).unwrap();
    }
    fs::write(unit("b.service.d/limits.conf"), "mine").unwrap();
    let before = place.capture();
    assert_eq!(before.entries.len(), 2, "absent roots are known as such");
    // The run holds both units; then its upgrade creates and damages files.
    fs::create_dir(unit("a.service.d")).unwrap();
    for service in ["a", "b"] {
        let hold = format!("{service}.service.d/{}", Layout::DROP_IN);
        fs::write(unit(&hold), "held").unwrap();
    }
    for appeared in [
        "a.service",
        "a.service.d/vendor.conf",
        "b.service.d/vendor.conf",
    ] {
        fs::write(unit(appeared), "vendor").unwrap();
    }
    for appeared in defaults {
        fs::write(at(appeared), "vendor").unwrap();
    }
    fs::remove_file(unit("b.service.d/limits.conf")).unwrap();
    place.restore(&before);
    for appeared in [
        "a.service",
        "a.service.d/vendor.conf",
        "b.service.d/vendor.conf",
    ] {
        assert!(!unit(appeared).exists(), "{appeared}");
    }
    assert!(defaults.iter().all(|path| !at(path).exists()));
    assert_eq!(fs::read(unit("b.service.d/limits.conf")).unwrap(), b"mine");
    for service in ["a", "b"] {
        let hold = format!("{service}.service.d/{}", Layout::DROP_IN);
        assert!(
            unit(&hold).exists(),
            "{service} is held until it is released"
        );
    }
}

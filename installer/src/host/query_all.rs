//! Parses rpm's description of every installed package. Pure, as [`super::query`] is.

use manifests::evr::Evr;
use manifests::host_inventory::{HostPackage, is_primary_path};
use manifests::nevra::Nevra;

use super::HostError;
use super::cmd::OUTPUT_MAX_BYTES;

/// One `P` line per package, followed by `V` lines for what it provides, `C` lines for its
/// conflicts and `F` lines for its files. Except for the digest of the header, this works the same
/// from rpm 4.11 on.
pub(crate) fn format(header: &str) -> String {
    let capability = |letter, tag| {
        format!("[{letter}\\t%{{{tag}NAME}}\\t%{{{tag}FLAGS:depflags}}\\t%{{{tag}VERSION}}\\n]")
    };
    format!(
        "P\\t%{{NAME}}\\t%{{EPOCHNUM}}\\t%{{VERSION}}\\t%{{RELEASE}}\\t%{{ARCH}}\\t%{{BUILDTIME}}\\t\
         {header}\\n{}{}[F\\t%{{FILENAMES}}\\n]",
        capability('V', "PROVIDE"),
        capability('C', "CONFLICT"),
    )
}

/// Parses the answer. Returns the packages, sorted, and the names of those with an unsupported
/// identity.
pub(crate) fn parse(output: &str) -> Result<(Vec<HostPackage>, Vec<String>), HostError> {
    if output.len() as u64 >= OUTPUT_MAX_BYTES {
        return Err(refuse("it is too long", "P"));
    }
    let (mut packages, mut skipped) = (Vec::new(), Vec::new());
    let mut current: Option<HostPackage> = None;
    for line in output.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match (fields.as_slice(), &mut current) {
            (["P", "gpg-pubkey", ..], _) => packages.extend(current.take()),
            (["P", rest @ ..], _) => {
                packages.extend(current.take());
                current = package(rest).map_err(|why| refuse(why, line))?;
                if current.is_none() {
                    skipped.push(rest[..5].join(" "));
                }
            }
            (["V", name, comparison, version], Some(package)) => {
                package.provides.push(capability(name, comparison, version));
            }
            (["C", name, comparison, version], Some(package)) => {
                let conflict = capability(name, comparison, version);
                package.conflicts.push(conflict);
            }
            (["F", path], Some(package)) if is_primary_path(path) => {
                package.paths.push((*path).to_owned());
            }
            (["V" | "C", _, _, _] | ["F", _], _) => {}
            // For a package without entries, rpm prints one "(none)".
            _ if line.contains("(none)") || line.trim().is_empty() => {}
            _ => return Err(refuse("unknown line", line)),
        }
    }
    packages.extend(current);
    packages.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    packages.dedup_by(|a, b| a.nevra == b.nevra);
    Ok((packages, skipped))
}

fn refuse(why: &str, line: &str) -> HostError {
    let line: String = line.chars().take(200).collect();
    HostError::Answer {
        command: "rpm -qa",
        reason: format!("{why} in `{line}`"),
    }
}

/// Parses a `P` line; `None` for an identity that this project does not support.
fn package(fields: &[&str]) -> Result<Option<HostPackage>, &'static str> {
    let [name, epoch, version, release, arch, build_time, header] = fields else {
        return Err("a field is missing");
    };
    let epoch = epoch.parse().map_err(|_| "the epoch is not a number")?;
    let build_time = build_time
        .parse()
        .map_err(|_| "the build time is not a number")?;
    let nevra = Evr::new(epoch, version, release)
        .ok()
        .and_then(|evr| Nevra::new(name, evr, arch).ok());
    let header = if header.contains("(none)") {
        ""
    } else {
        header
    };
    Ok(nevra.map(|nevra| HostPackage {
        nevra,
        build_time,
        header: header.to_owned(),
        provides: Vec::new(),
        conflicts: Vec::new(),
        paths: Vec::new(),
    }))
}

fn capability(name: &str, comparison: &str, version: &str) -> String {
    if comparison.trim().is_empty() || version.is_empty() {
        name.to_owned()
    } else {
        format!("{name} {} {version}", comparison.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_and_odd_identities_are_listed() {
        let output = "P\tb\t1\t2.0\t3\tx86_64\t7\tsha256:ab\nV\tb\t=\t1:2.0-3\nV\tlibb.so()(64bit)\t\t\n\
                      C\tc\t<\t2\nF\t/usr/bin/b\nF\t/usr/share/doc/b\n\
                      P\tgpg-pubkey\t0\t1ed14c59\t5a1b2c3d\t(none)\t5\tsha256:(none)\n\
                      P\ta\t0\t1\t1\tnoarch\t7\tsha256:(none)\n(none)\n\
                      P\todd\t0\t_\t1\tnoarch\t7\tsha256:cd\nV\todd\t\t\n";
        let (packages, skipped) = parse(output).unwrap();
        let names: Vec<&str> = packages.iter().map(|p| p.nevra.name()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(packages[0].header, "");
        let b = &packages[1];
        assert_eq!(b.provides, ["b = 1:2.0-3", "libb.so()(64bit)"]);
        assert_eq!(
            (&b.conflicts[..], &b.paths[..]),
            (&["c < 2".to_owned()][..], &["/usr/bin/b".to_owned()][..])
        );
        assert_eq!(skipped, ["odd 0 _ 1 noarch"]);
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        for bad in [
            "error: no database",
            "P\ta\t0\n",
            "P\ta\tx\t1\t1\tnoarch\t7\t\n",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

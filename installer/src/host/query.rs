//! Parses the answers of rpm queries. Pure, so that every odd answer can be a test.

use manifests::evr::Evr;
use manifests::nevra::Nevra;

use super::{HostError, InstalledFile, InstalledPackage};

/// One `P` line per package, then one `F` line per file. Works the same from rpm 4.11 on.
pub(crate) const PACKAGE_FORMAT: &str = "P\\t%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t\
     %{ARCH}\\t%{BUILDTIME}\\n[F\\t%{FILENAMES}\\t%{FILEMODES}\\t%{FILEFLAGS}\\t%{FILEDIGESTS}\\n]";

const CONFIG: u32 = 1;
const NOREPLACE: u32 = 1 << 4;

/// Parses the answer to a query in [`PACKAGE_FORMAT`].
pub(crate) fn parse_packages(output: &str) -> Result<Vec<InstalledPackage>, HostError> {
    let mut packages: Vec<InstalledPackage> = Vec::new();
    for line in output.lines() {
        let mut fields = line.split('\t');
        match fields.next() {
            Some("P") => {
                packages.push(parse_package(&mut fields).map_err(|why| refuse(line, &why))?);
            }
            Some("F") => {
                let file = parse_file(&mut fields).map_err(|why| refuse(line, &why))?;
                let package = packages
                    .last_mut()
                    .ok_or_else(|| refuse(line, "no package"))?;
                package.files.push(file);
            }
            // For a package without files, rpm prints one "(none)" line.
            _ if line.contains("(none)") || line.trim().is_empty() => {}
            _ => return Err(refuse(line, "unknown line")),
        }
    }
    Ok(packages)
}

fn refuse(line: &str, why: &str) -> HostError {
    let line: String = line.chars().take(200).collect();
    HostError::Answer {
        command: "rpm -q",
        reason: format!("{why} in `{line}`"),
    }
}

fn parse_package<'a>(
    fields: &mut impl Iterator<Item = &'a str>,
) -> Result<InstalledPackage, String> {
    let mut next = || fields.next().ok_or("a field is missing".to_owned());
    let (name, epoch, version) = (next()?, next()?, next()?);
    let (release, arch, build_time) = (next()?, next()?, next()?);
    let epoch = epoch
        .parse()
        .map_err(|_| "the epoch is not a number".to_owned())?;
    let evr = Evr::new(epoch, version, release).map_err(|error| error.to_string())?;
    let nevra = Nevra::new(name, evr, arch).map_err(|error| error.to_string())?;
    let build_time = build_time
        .parse()
        .map_err(|_| "the build time is not a number".to_owned())?;
    Ok(InstalledPackage {
        nevra,
        build_time,
        files: Vec::new(),
    })
}

fn parse_file<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Result<InstalledFile, String> {
    let mut next = || fields.next().ok_or("a field is missing".to_owned());
    let (path, mode, flags, digest) = (next()?, next()?, next()?, next()?);
    // Some versions of rpm print modes as a signed 16-bit number.
    let mode: i64 = mode
        .parse()
        .map_err(|_| "the mode is not a number".to_owned())?;
    let flags: u32 = flags
        .parse()
        .map_err(|_| "the flags are not a number".to_owned())?;
    let digest = if digest == "(none)" { "" } else { digest };
    Ok(InstalledFile {
        path: path.to_owned(),
        mode: u32::try_from(mode & 0xffff).unwrap_or(0),
        digest: digest.to_owned(),
        config: flags & CONFIG != 0,
        noreplace: flags & NOREPLACE != 0,
    })
}

/// Returns the lines that report a failed scriptlet even though rpm exits with 0.
pub(crate) fn scriptlet_failures(output: &str) -> Vec<String> {
    let reports_failure = |line: &&str| {
        line.contains("scriptlet failed")
            || line.contains("failed, exit status")
            || line.contains("lua script failed")
            || line.contains("scriptlet interpreter")
            || line.contains("Couldn't fork")
    };
    output
        .lines()
        .filter(reports_failure)
        .map(|line| line.trim().to_owned())
        .collect()
}

/// Returns the last lines that a scriptlet printed before rpm reported its failure.
pub(crate) fn said_before<'a>(output: &'a str, failure: &str) -> Vec<&'a str> {
    const SHOWN_MAX_LINES: usize = 3;
    let is_progress = |line: &&str| {
        line.contains("####")
            || [
                "Preparing...",
                "Updating / installing",
                "Cleaning up / removing",
            ]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let before = output.lines().map(str::trim);
    let before = before.take_while(|line| *line != failure);
    let mut said: Vec<&str> = before
        .filter(|line| !line.is_empty() && !is_progress(line))
        .collect();
    said.split_off(said.len().saturating_sub(SHOWN_MAX_LINES))
}

/// Whether the answer of `rpmkeys -K` shows that digests *and* signatures were checked. `signed`
/// has the words that this version of rpm uses for a signature.
///
/// rpm 4.14 and later print `digests signatures OK`. rpm 4.11 lists algorithms (`rsa sha1 (md5) pgp
/// md5 OK`), in capitals and parentheses where a key is missing. For an unsigned package rpm prints
/// `digests OK`, or `sha1 md5 OK`, and exits with 0.
pub(crate) fn is_signed(line: &str, signed: &[&str]) -> bool {
    let Some((_, verdict)) = line.rsplit_once(": ") else {
        return false;
    };
    let words: Vec<&str> = verdict.split_whitespace().collect();
    let ok = words.last() == Some(&"OK") && !words.contains(&"NOT");
    ok && words.iter().any(|word| signed.contains(word))
}

/// Returns the file if a line of `rpm -V` reports that its content differs or that it is missing.
/// The nine attribute letters are `SM5DLUGTP`; `c` marks configuration.
pub(crate) fn broken_file(line: &str) -> Option<&str> {
    let path = line.split_at_checked(line.find('/')?)?.1;
    let head = &line[..line.len() - path.len()];
    let is_config = head.split_whitespace().skip(1).any(|mark| mark == "c");
    let is_broken =
        head.starts_with("missing") || head.starts_with('S') || head.chars().nth(2) == Some('5');
    (is_broken && !is_config).then_some(path)
}

/// Returns the file that a line of `rpm -V` reports as changed, and whether its content differs.
pub(crate) fn changed_file(line: &str) -> Option<(&str, bool)> {
    let path = line.split_at_checked(line.find('/')?)?.1;
    let is_known = line.starts_with(['.', 'S']) || line.starts_with("missing");
    is_known.then(|| (path, line.chars().nth(2) == Some('5')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_files_are_read() {
        let output = "P\ta\t0\t1.0\t1\tx86_64\t1700000000\n\
                      F\t/etc/a.conf\t33184\t17\tabc\nF\t/opt/a\t16877\t0\t(none)\n\
                      P\tb\t2\t1.0\t1\tnoarch\t5\n(none)\n";
        let packages = parse_packages(output).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[1].nevra.to_string(), "b-2:1.0-1.noarch");
        let conf = &packages[0].files[0];
        assert!(conf.config && conf.noreplace && conf.digest == "abc");
        assert_eq!(packages[0].files[1].digest, "");
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        for bad in [
            "error: cannot open Packages index",
            "F\t/x\t1\t1\tabc\n",
            "P\ta\t0\t1\n",
        ] {
            assert!(parse_packages(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_changed_programs_count_as_broken() {
        assert_eq!(broken_file("S.5....T.    /opt/x/bin"), Some("/opt/x/bin"));
        assert_eq!(broken_file("missing     /opt/x/bin"), Some("/opt/x/bin"));
        assert_eq!(broken_file("S.5....T.  c /opt/x/x.conf"), None);
        assert_eq!(broken_file("missing   c /opt/x/x.conf"), None);
        assert_eq!(broken_file(".M...UG..    /opt/x/bin"), None);
        assert_eq!(broken_file("Unsatisfied dependencies for x"), None);
    }

    #[test]
    fn failed_scriptlets_are_seen_in_every_wording() {
        for line in [
            "warning: %post(x-1-1.noarch) scriptlet failed, exit status 3",
            "error: %pre(x-1-1.noarch) scriptlet failed, exit status 1",
            "error: %preun(x-1-1.noarch) scriptlet failed, exit status 1",
            "error: %pretrans(x-1-1.noarch) scriptlet failed, exit status 1",
            "warning: %posttrans(x-1-1.noarch) scriptlet failed, signal 9",
            "warning: %triggerin(y-1-1.noarch) scriptlet failed, exit status 6",
            "warning: %transfiletriggerin(y-1-1.noarch) scriptlet failed, exit status 6",
            "error: lua script failed: [string \"%pretrans(x-1-1.noarch)\"]:1: no",
            "error: failed to exec scriptlet interpreter /bin/ksh: No such file or directory",
            "error: Couldn't fork %post(x-1-1.noarch): Cannot allocate memory",
        ] {
            let output = format!("Preparing...\n{line}\nUpdating / installing...\n");
            assert_eq!(scriptlet_failures(&output), [line], "{line}");
            assert!(said_before(&output, line).is_empty());
            let talking = output.replacen(line, &format!("no answer on 8080\n{line}"), 1);
            assert_eq!(said_before(&talking, line), ["no answer on 8080"]);
        }
        let fine = "Preparing...\nUpdating / installing...\nx-1-1\nCleaning up / removing...\n";
        assert!(scriptlet_failures(fine).is_empty());
    }
}

//! A host with files, units and running processes that a test writes down.

use std::collections::BTreeMap;
use std::io;

use crate::host::{EnvironmentFile, HostError, Invocation, Services, StartCommand, UnitSettings};
use crate::layout::Layout;

/// The host.
pub(crate) struct Site {
    _dir: tempfile::TempDir,
    pub(crate) layout: Layout,
    pub(crate) unit: UnitSettings,
    pub(crate) running: Option<Result<Invocation, io::ErrorKind>>,
}

impl Site {
    /// Makes a host with some files, whose units start `command`.
    pub(crate) fn new(files: &[(&str, &str)], command: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of_running(dir.path());
        for (path, text) in files {
            let path = layout.at(path);
            let mut parents: Vec<_> = path.ancestors().skip(1).collect();
            parents.reverse();
            for parent in parents.iter().filter(|parent| !parent.exists()) {
                crate::secure_fs::ensure_dir(parent, 0o755).unwrap();
            }
            crate::secure_fs::write_atomic(&path, text.as_bytes(), 0o600).unwrap();
        }
        let (path, _) = command.split_once(' ').unwrap_or((command, ""));
        let unit = UnitSettings {
            systemd: 252,
            commands: vec![StartCommand {
                path: path.to_owned(),
                line: command.to_owned(),
            }],
            ..UnitSettings::default()
        };
        Self {
            _dir: dir,
            layout,
            unit,
            running: None,
        }
    }

    /// Sets a variable by `Environment=`.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.unit
            .environment
            .insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds an `EnvironmentFile=`; one with `-` before it may be missing.
    pub(crate) fn with_file(mut self, path: &str) -> Self {
        let is_optional = path.starts_with('-');
        let path = path.trim_start_matches('-').to_owned();
        self.unit
            .environment_files
            .push(EnvironmentFile { path, is_optional });
        self
    }

    /// Starts the service with these variables and arguments.
    pub(crate) fn started(mut self, variables: &[(&str, &str)], line: &str) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.unit.main_pid = 7;
        self.running = Some(Ok(Invocation {
            environment: variables.iter().map(owned).collect::<BTreeMap<_, _>>(),
            arguments: line.split(' ').map(str::to_owned).collect(),
        }));
        self
    }
}

impl Services for Site {
    fn unit_settings(&self, _: &str) -> Result<Option<UnitSettings>, HostError> {
        Ok(Some(self.unit.clone()))
    }

    fn invocation(&self, pid: u32, _: &str) -> io::Result<Option<Invocation>> {
        assert_eq!(pid, 7);
        match self.running.clone() {
            None => Ok(None),
            Some(Ok(invocation)) => Ok(Some(invocation)),
            Some(Err(kind)) => Err(kind.into()),
        }
    }
}

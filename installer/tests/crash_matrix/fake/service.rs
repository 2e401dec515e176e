//! A running service. Its program is a file of JSON that describes its behaviour.

use std::time::Duration;

use installer::host::ProbeAnswer;
use installer::layout::Layout;
use manifests::digest::Sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::disk;

/// The content of a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) version: String,
    pub(crate) port: u16,
    pub(crate) config: String,
    pub(crate) answers: Answers,
    /// The newest `schema` of the configuration that it understands. It does not start with a newer
    /// one. It migrates an older one in place, which makes a downgrade hard.
    pub(crate) schema: u64,
    /// The newest form of the data that it understands, if it has data.
    pub(crate) data: Option<u64>,
}

/// Its answer to a health question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answers {
    Pass,
    Fail,
    Nothing,
}

impl Program {
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a program is plain data")
    }
}

/// The main process of a unit.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) path: String,
    pub(crate) sha256: Sha256,
    pub(crate) port: u16,
    program: Program,
}

impl Process {
    /// Starts a program; nothing if it exits at once.
    pub(crate) fn start(layout: &Layout, path: &str, pid: u32) -> Option<Self> {
        let bytes = disk::read(&layout.at(path))?;
        let program: Program = serde_json::from_slice(&bytes).ok()?;
        migrate(layout, &program)?;
        if let Some(known) = program.data {
            super::data::migrate(layout, known)?;
        }
        Some(Self {
            pid,
            path: path.to_owned(),
            sha256: Sha256::of(&bytes),
            port: program.port,
            program,
        })
    }

    pub(crate) fn answer(&self) -> Result<ProbeAnswer, String> {
        let status = match self.program.answers {
            Answers::Pass => "pass",
            Answers::Fail => "fail",
            Answers::Nothing => return Err("timed out".to_owned()),
        };
        let body = json!({"status": status, "version": self.program.version});
        Ok(ProbeAnswer {
            status: 200,
            body: body.to_string().into_bytes(),
        })
    }
}

fn migrate(layout: &Layout, program: &Program) -> Option<()> {
    let path = layout.at(&program.config);
    let mut config: Value = serde_json::from_slice(&disk::read(&path)?).ok()?;
    let schema = config.get("schema").and_then(Value::as_u64)?;
    if schema > program.schema {
        return None;
    }
    if schema < program.schema {
        config["schema"] = program.schema.into();
        disk::rewrite(&path, config.to_string().as_bytes(), MIGRATED);
    }
    Some(())
}

/// When configuration is migrated: a fixed time, so that the end of a run does not depend on how
/// often it was cut off.
const MIGRATED: Duration = Duration::from_secs(1_700_000_500);

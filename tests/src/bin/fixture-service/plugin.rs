//! `tyk plugin load`: Go plugins load only into the gateway they were built for.

use std::fs;
use std::process::ExitCode;

/// Accepts a plugin whose text names this version as `built for VERSION`, as the lab writes it.
pub(crate) fn load(version: &str, arguments: &[String]) -> ExitCode {
    let option = |short: &str| {
        arguments
            .iter()
            .position(|word| word == short)
            .and_then(|at| arguments.get(at + 1))
    };
    let (Some(file), Some(symbol)) = (option("-f"), option("-s")) else {
        eprintln!("usage: plugin load -f FILE -s SYMBOL");
        return ExitCode::from(2);
    };
    let verdict = fs::read(file)
        .map_err(|error| error.to_string())
        .and_then(|bytes| {
            if String::from_utf8_lossy(&bytes).contains(&format!("built for {version}\n")) {
                Ok(())
            } else {
                Err(
                    "plugin was built with a different version of package internal/goarch"
                        .to_owned(),
                )
            }
        });
    match verdict {
        Ok(()) => {
            println!("[file={file}, symbol={symbol}] loaded ok, got {symbol}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("unexpected error: plugin.Open(\"{file}\"): {error}");
            ExitCode::FAILURE
        }
    }
}

//! The long help of every subcommand, new ones included.

use clap::Command;

/// Columns of the help, whatever the terminal.
const WIDTH: usize = 100;

/// Leaves out the values of the test's environment.
fn without_values(command: Command) -> Command {
    command
        .mut_args(|arg| arg.hide_env_values(true))
        .mut_subcommands(without_values)
}

fn check(command: &mut Command, path: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/help");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let help = command.render_long_help().to_string();
    settings.bind(|| insta::assert_snapshot!(path, help));
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" {
            let path = format!("{path}-{}", below.get_name());
            check(below, &path);
        }
    }
}

#[test]
fn every_help_is_unchanged() {
    let mut command = without_values(installer::cli::command().term_width(WIDTH));
    command.build();
    check(&mut command, "install");
}

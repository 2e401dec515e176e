//! One virtual machine: switched on or woken from a suspended one, asked, and its power cut.

#![expect(
    clippy::disallowed_methods,
    reason = "the lab runs qemu and writes below its cache"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::channel::{Answer, Channel, Orders};
use super::parts::Parts;

/// These only end what hangs: a busy machine may need many times what a quiet one does.
const READY_DEADLINE: Duration = Duration::from_mins(20);
const SUSPEND_DEADLINE: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(10);

/// There is no udev, so nothing may wait for a device to be announced, and no screen.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable \
                                systemd.show_status=false";
const MEMORY_MIB: &str = "512";

/// qemu computes all the time, on one processor, and everything waits for it at the end. So it goes
/// before the hosts of other tests. Where the kernel groups processes by session, a priority counts
/// only inside a session: qemu gets one of its own, and that one the priority. Without root this does
/// nothing.
const AT_ONCE: [&str; 9] = [
    "nice",
    "-n",
    "-10",
    "setsid",
    "sh",
    "-c",
    "{ echo -10 >/proc/self/autogroup; } 2>/dev/null; exec \"$@\"",
    "sh",
    "setpriv",
];

/// What a machine runs on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hardware<'a> {
    pub(super) parts: &'a Parts,
    /// Where its sockets and its console's log go; of this machine alone.
    pub(super) directory: &'a Path,
    pub(super) disk: &'a Path,
    /// Where every write and every flush of the disk is recorded, if anywhere.
    pub(super) log: Option<&'a Path>,
}

/// A machine that this process owns. Dropping it is a power cut.
#[derive(Debug)]
pub(super) struct Machine {
    child: Child,
    channel: Channel,
    orders: Orders,
    console: PathBuf,
    started: Instant,
}

impl Machine {
    /// Switches a machine on.
    pub(super) fn switch_on(hardware: Hardware<'_>) -> Result<Self> {
        Self::start(hardware, None)
    }

    /// Wakes a machine from the memory of a suspended one, whose disk it must have.
    pub(super) fn wake(hardware: Hardware<'_>, memory: &Path) -> Result<Self> {
        let mut machine = Self::start(hardware, Some(memory))?;
        machine.await_migration()?;
        machine.orders.give("cont", &json!({}))?;
        machine.started = Instant::now();
        Ok(machine)
    }

    /// How long it has run.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What the kernel and the first root wrote to the console.
    pub(super) fn console(&self) -> String {
        let bytes = fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the agent of a machine that was switched on.
    pub(super) fn await_ready(&mut self) -> Result<()> {
        match self.channel.await_ready(READY_DEADLINE) {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the machine does not come up; its console: {}", self.tail()),
            Err(error) => {
                Err(error).with_context(|| format!("at boot; the console: {}", self.tail()))
            }
        }
    }

    /// Runs a script in the machine and waits for its end.
    pub(super) fn run(&mut self, script: &str, deadline: Duration) -> Result<Answer> {
        self.channel.ask(script)?;
        let answer = self.channel.answer(deadline)?;
        answer.with_context(|| {
            let seconds = deadline.as_secs();
            format!("no answer after {seconds} s to: {script}")
        })
    }

    /// Starts a script in the machine.
    pub(super) fn begin(&mut self, script: &str) -> Result<()> {
        self.channel.ask(script)
    }

    /// The end of the script that was begun, or `None` if it has not ended by then.
    pub(super) fn ending(&mut self, deadline: Duration) -> Result<Option<Answer>> {
        self.channel.answer(deadline)
    }

    /// Takes the power away: no further instruction runs, and data that the machine's kernel had
    /// not yet handed to the disk are gone.
    pub(super) fn cut(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Stops the machine and writes its memory to a file; its disk is as it was left.
    pub(super) fn suspend(mut self, memory: &Path) -> Result<()> {
        self.orders.give("stop", &json!({}))?;
        let uri = format!("exec:cat > '{}'", memory.display());
        self.orders.give("migrate", &json!({ "uri": uri }))?;
        self.await_migration()?;
        // It is stopped, and its memory is in the file, so the process may be killed.
        self.cut()
    }

    fn tail(&self) -> String {
        let console = self.console();
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn await_migration(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            let said = self.orders.give("query-migrate", &json!({}))?;
            match said.get("status").and_then(Value::as_str) {
                Some("completed") => return Ok(()),
                Some("failed") => bail!("qemu cannot move the machine's memory: {said}"),
                _ if started.elapsed() > SUSPEND_DEADLINE => {
                    bail!("qemu takes too long to move the machine's memory")
                }
                _ => std::thread::sleep(POLL),
            }
        }
    }

    fn start(hardware: Hardware<'_>, memory: Option<&Path>) -> Result<Self> {
        let directory = hardware.directory;
        let [channel, orders] = ["channel", "orders"].map(|name| directory.join(name));
        for socket in [&channel, &orders] {
            let _ = fs::remove_file(socket);
        }
        let console = directory.join("console");
        let said = directory.join("qemu");
        let mut child = command(hardware, memory)?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn()
            .context("cannot start qemu")?;
        let started = Instant::now();
        let connected =
            Channel::connect(&channel).and_then(|channel| Ok((channel, Orders::connect(&orders)?)));
        match connected {
            Ok((channel, orders)) => Ok(Self {
                child,
                channel,
                orders,
                console,
                started,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let said = fs::read_to_string(&said).unwrap_or_default();
                Err(error).with_context(|| format!("qemu did not start: {}", said.trim()))
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// qemu dies with the lab, in whatever way the lab dies.
fn command(hardware: Hardware<'_>, memory: Option<&Path>) -> Result<Command> {
    let mut command = Command::new(AT_ONCE[0]);
    command
        .args(&AT_ONCE[1..])
        .args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"])
        .args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-machine", "pc", "-accel", "tcg"])
        .args(["-cpu", "qemu64,+rdrand", "-smp", "1", "-m", MEMORY_MIB])
        .arg("-kernel")
        .arg(&hardware.parts.kernel)
        .arg("-initrd")
        .arg(&hardware.parts.first_root)
        .args(["-append", KERNEL_ARGUMENTS])
        .args(["-serial", "file:console"])
        .args(["-device", "virtio-serial-pci"])
        .args(["-chardev", "socket,id=lab,path=channel,server=on,wait=off"])
        .args(["-device", "virtserialport,chardev=lab,name=lab"])
        .args(["-qmp", "unix:orders,server=on,wait=off"])
        .args(["-device", "virtio-blk-pci,drive=disk"])
        .arg("-blockdev")
        .arg(drive(hardware)?.to_string())
        .current_dir(hardware.directory);
    if let Some(memory) = memory {
        command.arg("-incoming");
        command.arg(format!("exec:cat '{}'", memory.display()));
    }
    Ok(command)
}

/// The disk, with a volatile cache as the machine sees it, so it has to flush. qemu itself need
/// not sync to this machine's disk, which does not lose power (`no-flush`).
fn drive(hardware: Hardware<'_>) -> Result<Value> {
    let file = |path: &Path| -> Result<Value> {
        ensure!(path.is_absolute(), "{} is relative", path.display());
        Ok(json!({ "driver": "file", "filename": path, "cache": { "no-flush": true } }))
    };
    let disk = json!({ "driver": "raw", "file": file(hardware.disk)? });
    let Some(log) = hardware.log else {
        let mut disk = disk;
        disk["node-name"] = "disk".into();
        return Ok(disk);
    };
    // Without a file to write on, qemu refuses.
    File::create(log)?;
    Ok(json!({
        "driver": "blklogwrites", "node-name": "disk", "file": disk, "log": file(log)?,
    }))
}

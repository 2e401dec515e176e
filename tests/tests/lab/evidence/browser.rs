//! A headless Chromium, driven by the `DevTools` protocol over a pair of named pipes.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest time that a browser may take for one answer, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A browser with one page. No name resolves in it.
pub(crate) struct Browser {
    child: Child,
    commands: File,
    replies: Receiver<Value>,
    events: Vec<Value>,
    last: u64,
    session: Option<String>,
    _dir: TempDir,
}

impl Browser {
    /// Opens a file. Returns `None` where no Chromium is installed; in CI that fails.
    pub(crate) fn open(file: &Path) -> Option<Self> {
        if Command::new("chromium").arg("--version").output().is_err() {
            lab::skipped!("chromium is not installed");
            return None;
        }
        let mut browser = Self::launch();
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let id = target["targetId"].clone();
        let attach = json!({"targetId": id, "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Network.enable", "Runtime.enable"] {
            browser.call(domain, &json!({}));
        }
        let url = format!("file://{}", file.display());
        browser.call("Page.navigate", &json!({ "url": url }));
        browser.wait_for("Page.loadEventFired");
        Some(browser)
    }

    fn launch() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [commands, replies] = ["commands", "replies"].map(|name| dir.path().join(name));
        let made = Command::new("mkfifo").args([&commands, &replies]).status();
        assert!(made.unwrap().success());
        // The protocol's pipes are the descriptors 3 and 4 of the browser.
        let child = Command::new("sh")
            .args(["-c", "exec 3<\"$0\" 4>\"$1\"; shift; exec chromium \"$@\""])
            .args([&commands, &replies])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args(["--remote-debugging-pipe", "--disable-dev-shm-usage"])
            .args(["--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-quic"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND")
            .arg(format!(
                "--user-data-dir={}",
                dir.path().join("profile").display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = OpenOptions::new().write(true).open(commands).unwrap();
        let mut reader = BufReader::new(File::open(replies).unwrap());
        let (sender, replies) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while reader
                .read_until(0, &mut message)
                .is_ok_and(|taken| taken > 0)
            {
                message.pop();
                let value = serde_json::from_slice(&message).unwrap_or_default();
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        Self {
            child,
            commands,
            replies,
            events: Vec::new(),
            last: 0,
            session: None,
            _dir: dir,
        }
    }

    /// Asks for something and waits for the answer.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap();
        loop {
            let reply = self.next();
            if reply["id"] == json!(self.last) {
                assert!(reply["error"].is_null(), "{method}: {reply}");
                return reply["result"].clone();
            }
            self.events.push(reply);
        }
    }

    #[track_caller]
    fn next(&self) -> Value {
        // A browser that is silent for so long is stuck.
        self.replies.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits until the browser reports this.
    fn wait_for(&mut self, method: &str) {
        while !self.events.iter().any(|event| event["method"] == method) {
            let event = self.next();
            self.events.push(event);
        }
    }

    /// Every address that the page asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let sent = |event: &&Value| event["method"] == "Network.requestWillBeSent";
        let requests = self.events.iter().filter(sent);
        requests
            .map(|event| event["params"]["request"]["url"].to_string())
            .collect()
    }

    /// Evaluates JavaScript, as a tester at the console would; promises are waited for.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, script: &str) -> Value {
        let params = json!({
            "expression": script, "returnByValue": true, "awaitPromise": true,
        });
        let found = self.call("Runtime.evaluate", &params);
        assert!(found["exceptionDetails"].is_null(), "{script}: {found}");
        found["result"]["value"].clone()
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
            });
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// Gives the window another size.
    pub(crate) fn resize(&mut self, width: u32) {
        let size = json!({
            "width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true,
        });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Prefers light or dark.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [feature] }),
        );
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

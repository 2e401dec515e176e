//! Other programs that act in the middle of a run.

use crate::upgrade::support::Site;

impl Site {
    /// Lets the first scriptlet of a transaction that calls `systemctl` run a script first: the moment
    /// at which another program acts in the middle of a run, on a machine of any speed.
    pub(super) fn in_transaction(&self, script: &str) {
        self.host.write("/root/meddle", script, 0o755).unwrap();
        let wrapper = "#!/bin/sh\n\
             if [ -e /root/meddle ] && tr '\\0' ' ' </proc/$PPID/cmdline | grep -q rpm-tmp; then\n\
             mv /root/meddle /root/meddled; sh -e /root/meddled >/root/meddled.log 2>&1 || touch /root/failed\n\
             fi\nexec /usr/bin/systemctl.real \"$@\"\n";
        let moved = ["mv", "/usr/bin/systemctl", "/usr/bin/systemctl.real"];
        self.host.check(&moved).unwrap();
        self.host
            .write("/usr/bin/systemctl", wrapper, 0o755)
            .unwrap();
    }

    /// Checks that the script ran to its end, and removes the wrapper.
    pub(super) fn end_meddling(&self) {
        let restored = "mv -f /usr/bin/systemctl.real /usr/bin/systemctl && test -e /root/meddled && \
                        ! test -e /root/failed && rm /root/meddled /root/meddled.log";
        self.host.check(&["sh", "-c", restored]).unwrap();
    }
}

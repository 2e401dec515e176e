//! The host's Redis: its configuration, and how to talk to it.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::certificates::{AUTHORITY, CERTIFICATE, key_of};
use super::options::RedisAccess;
use super::{Stores, login};
use crate::isolated::{Guest, GuestCommand};

const CONFIG: &str = "/etc/redis/redis.conf";
const CONFIG_MODE: u32 = 0o640;
const UNIT: &str = "redis-server.service";
pub(super) const PORT: u16 = 6379;
pub(super) const ACL_USER: &str = "tyk";

/// The settings that every variant has.
const COMMON: &str = "\
bind 127.0.0.1
protected-mode yes
databases 16
dir /var/lib/redis
dbfilename dump.rdb
pidfile /run/redis/redis-server.pid
logfile /var/log/redis/redis-server.log
save 3600 1
save 300 100
save 60 10000
";

/// The rights that a product uses, and those that dumps need: a replica's snapshot
/// (`redis-cli --rdb`), or a server's own.
const ACL_RIGHTS: &str = "+@all -@admin +psync +sync +replconf +save +bgsave +lastsave +config|get";

pub(super) fn set_up(guest: &Guest, stores: &Stores) -> Result<()> {
    let version = guest.check(&["redis-server", "--version"])?;
    // Channels came with 6.2.
    let channels = if version.contains("v=6.0") { "" } else { "&*" };
    guest.write(CONFIG, config(stores, channels), CONFIG_MODE)?;
    guest.check(&["systemctl", "reset-failed", UNIT])?;
    guest.check(&["systemctl", "restart", UNIT])?;
    guest.wait_until("redis answering", Duration::from_secs(30), |guest| {
        let asked = stores.redis_cli(guest, 0, &["PING"]).run()?;
        Ok(asked.stdout.trim() == "PONG")
    })?;
    Ok(())
}

fn config(stores: &Stores, channels: &str) -> String {
    let password = login::in_redis_conf(&stores.redis_password);
    let yes = if stores.options.append_only {
        "yes"
    } else {
        "no"
    };
    let mut text = format!("{COMMON}appendonly {yes}\n");
    if stores.options.redis == RedisAccess::Tls {
        text += &format!(
            "port 0\ntls-port {PORT}\ntls-auth-clients no\ntls-ca-cert-file {AUTHORITY}\n\
             tls-cert-file {CERTIFICATE}\ntls-key-file {}\n",
            key_of("redis")
        );
    } else {
        text += &format!("port {PORT}\n");
    }
    match stores.options.redis {
        RedisAccess::Plain => {}
        RedisAccess::Password | RedisAccess::Tls => {
            text += &format!("requirepass {password}\n");
        }
        RedisAccess::Acl => {
            let digest = login::sha256(&stores.redis_password);
            text += &format!(
                "user default off\nuser {ACL_USER} on #{digest} ~* {channels} {ACL_RIGHTS}\n"
            );
        }
    }
    text
}

impl Stores {
    /// The host's `redis-cli` on one database, entered as the components enter it.
    pub fn redis_cli<'g>(
        &self,
        guest: &'g Guest,
        database: u8,
        arguments: &[&str],
    ) -> GuestCommand<'g> {
        let database = database.to_string();
        let mut argv = vec!["redis-cli", "-h", "127.0.0.1", "-n", &database];
        if self.options.redis == RedisAccess::Tls {
            argv.extend(["--tls", "--cacert", AUTHORITY]);
        }
        if self.options.redis == RedisAccess::Acl {
            argv.extend(["--user", ACL_USER]);
        }
        argv.extend(arguments);
        let command = guest.command(&argv);
        if self.options.redis == RedisAccess::Plain {
            command
        } else {
            command.env("REDISCLI_AUTH", &self.redis_password)
        }
    }

    /// Runs one command of Redis and returns the answer. An error that the server answers is an
    /// error here.
    pub fn redis(&self, guest: &Guest, database: u8, command: &[&str]) -> Result<String> {
        let answer = self.redis_cli(guest, database, command).run()?.ok()?.stdout;
        let refused = ["ERR ", "NOAUTH ", "NOPERM ", "WRONGPASS ", "WRONGTYPE "];
        ensure!(
            !refused.iter().any(|word| answer.starts_with(word)),
            "redis refuses {}: {answer}",
            command[0]
        );
        Ok(answer.trim_end_matches('\n').to_owned())
    }
}

//! The pump's work: it moves the gateway's data out of redis, and writes a row into the database
//! every second, so that the database has a second writer.

use std::time::Duration;

use crate::config::Config;
use crate::postgres::Postgres;
use crate::redis::Redis;

const PAUSE: Duration = Duration::from_secs(1);
const QUEUE: &str = "analytics-tyk-system-analytics";
const INSERT: &str = "
CREATE TABLE IF NOT EXISTS tyk_analytics (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), record text NOT NULL);
INSERT INTO tyk_analytics (record) VALUES ($record$";

/// Starts to write, if the configuration has a pump of type `sql`.
pub(crate) fn start(config: &Config) -> Result<(), String> {
    let is_sql = |name: &&String| config.word(&["pumps", name, "type"]).as_deref() == Some("sql");
    let names = config.names(&["pumps"]);
    let Some(name) = names.iter().find(is_sql) else {
        return Ok(());
    };
    let place = ["pumps", name, "meta"];
    let Some(database) = Postgres::from_config(config, &place)? else {
        return Err(format!("pumps.{name}: no database of type postgres"));
    };
    let redis = Redis::from_config(config, |key| {
        let key = if key == "ca_file" { "ssl_ca_file" } else { key };
        vec!["analytics_storage_config", key]
    })?;
    std::thread::spawn(move || {
        loop {
            if let Err(error) = purge(redis.as_ref(), &database) {
                eprintln!("nothing is purged: {error}");
            }
            std::thread::sleep(PAUSE);
        }
    });
    Ok(())
}

fn purge(redis: Option<&Redis>, database: &Postgres) -> Result<(), String> {
    let record = match redis {
        Some(redis) => redis.run(&["LPOP", QUEUE])?,
        None => None,
    };
    let record = record.unwrap_or("idle".to_owned()).replace('$', " ");
    let sql = format!("{INSERT}{record}$record$);\n");
    database
        .run(&sql)
        .map(drop)
        .map_err(|error| error.to_string())
}

//! Redis of several servers: Sentinel and cluster.

#![expect(clippy::disallowed_methods, reason = "the lab runs real programs")]

use std::process::Command;
use std::time::{Duration, Instant};

use installer::stores::access::Secret;
use installer::stores::{RedisAccess, RedisKind};

use super::server::{Server, free_port};
use super::{address, counted, dump, look, prove, to, with_password};

#[test]
fn sentinels_are_asked_one_after_the_other() {
    let Some(master) = Server::start(&["requirepass master-word"]) else {
        return;
    };
    master.fill_as("master-word", &[(0, 11)]);
    let watched = format!("sentinel monitor tyk-main 127.0.0.1 {} 1", master.port);
    let lines = [
        &watched,
        "sentinel auth-pass tyk-main master-word",
        "requirepass sentinel-word",
    ];
    let sentinel = Server::sentinel(&lines);
    let access = |name: &str, word: &str| RedisAccess {
        addresses: vec![address(free_port()), address(sentinel.port)],
        kind: RedisKind::Sentinel {
            master: name.to_owned(),
            password: Some(Secret::new(word)),
        },
        ..with_password(master.port, None, "master-word")
    };
    let good = access("tyk-main", "sentinel-word");
    let seen = look(&good).unwrap();
    assert_eq!(seen.items, Some(11));
    assert!(seen.not_restorable.unwrap().what.contains("sentinels"));
    assert_eq!(counted(&good), 11);
    let error = look(&access("other", "sentinel-word")).unwrap_err();
    assert!(error.why.contains("does not know that master"), "{error}");
    assert!(error.why.contains("Connection refused"), "{error}");
    let error = look(&access("tyk-main", "master-word")).unwrap_err();
    assert!(error.why.contains("refuses the password"), "{error}");
    let text = error.to_string();
    assert!(
        !text.contains("master-word") && !text.contains("sentinel-word"),
        "{text}"
    );
    let error = look(&with_password(sentinel.port, None, "sentinel-word")).unwrap_err();
    assert!(error.why.contains("sentinel"), "{error}");
}

#[expect(clippy::too_many_lines, reason = "one story on one host, in its order")]
#[test]
fn every_primary_of_a_cluster_is_dumped() {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let Some(node) = Server::start(&["cluster-enabled yes"]) else {
            return;
        };
        nodes.push(node);
    }
    let places: Vec<String> = nodes
        .iter()
        .map(|node| format!("127.0.0.1:{}", node.port))
        .collect();
    let cluster = |addresses: Vec<u16>| RedisAccess {
        addresses: addresses.into_iter().map(address).collect(),
        kind: RedisKind::Cluster,
        ..to(0)
    };
    let all = cluster(vec![free_port(), nodes[1].port]);
    let error = look(&all).unwrap_err();
    assert!(error.why.contains("no member serves any slot"), "{error}");
    let created = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&places)
        .arg("--cluster-yes")
        .output()
        .unwrap();
    assert!(created.status.success(), "{created:?}");
    let started = Instant::now();
    while nodes
        .iter()
        .any(|node| !node.ask("CLUSTER INFO").contains("cluster_state:ok"))
    {
        assert!(started.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(50));
    }
    for number in 0..300 {
        let written = Command::new("redis-cli")
            .args(["-c", "-p", &nodes[0].port.to_string(), "SET"])
            .args([format!("key-{number}"), "value".to_owned()])
            .output()
            .unwrap();
        assert_eq!(written.stdout, b"OK\n", "{written:?}");
    }
    let seen = look(&all).unwrap();
    assert_eq!((seen.items, seen.parts.len()), (Some(300), 3));
    assert!(seen.not_restorable.unwrap().what.contains("cluster"));
    let counts: Vec<u64> = seen
        .parts
        .iter()
        .map(|part| {
            let file = dump(&all, part).unwrap();
            prove(&all, &file).unwrap().unwrap()
        })
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 300);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    assert!(
        dump(&all, "node-127.0.0.1-1.rdb")
            .unwrap_err()
            .why
            .contains("changed")
    );
    let error = look(&to(nodes[0].port)).unwrap_err();
    assert!(error.why.contains("member of a cluster"), "{error}");
    let Some(single) = Server::start(&[]) else {
        return;
    };
    let error = look(&cluster(vec![single.port])).unwrap_err();
    assert!(error.next.contains("single Redis"), "{error}");
    nodes.pop().unwrap().kill();
    assert!(
        look(&all).is_err(),
        "a part of the keys is no dump of the cluster"
    );
}

#!/usr/bin/python3
"""Stands for mongodump and mongorestore: their options, their archive and their words, as their public
source and documentation have them. The server is a file."""
import gzip, json, os, struct, sys

HERE = "@STATE@"
name = os.path.basename(sys.argv[0])
args = sys.argv[1:]
options = dict(arg.partition("=")[::2] for arg in args)


def say(text):
    sys.stderr.write("2026-08-08T16:59:03.801+0000\t" + text + "\n")


def fail(text):
    say("Failed: " + text)
    sys.exit(1)


with open(HERE + "/seen", "a") as seen:
    seen.write(repr(sys.argv) + repr(dict(os.environ)) + "\n")
if "--version" in options:
    print(name + " version: " + open(HERE + "/version").read().strip())
    sys.exit(0)
config = open(options["--config"]).read()
assert config.startswith("uri: "), config
uri = json.loads(config[5:])
if ":Right%2FPass@" not in uri:
    fail("can't create session: failed to connect: auth error: sasl conversation error: unable to "
         "authenticate using mechanism \"SCRAM-SHA-1\": (AuthenticationFailed) Authentication failed.")
store = json.load(open(HERE + "/server.json"))
END = b"\xff" * 4


def text(key, value):
    value = value.encode() + b"\0"
    return b"\x02" + key.encode() + b"\0" + struct.pack("<i", len(value)) + value


def document(fields):
    return struct.pack("<i", len(fields) + 5) + fields + b"\0"


def head(db, collection, last):
    return document(text("db", db) + text("collection", collection) + b"\x08EOF\0" + bytes([last])
                    + b"\x12CRC\0" + bytes(8))


if name == "mongodump":
    db = options["--db"]
    if "--collection" in options:
        say("namespace with DB %s and collection %s does not exist" % (db, options["--collection"]))
        sys.exit(0)
    out = struct.pack("<I", 0x8199e26d)
    out += document(b"\x10concurrent_collections\0" + struct.pack("<i", 4) + text("version", "0.1")
                    + text("server_version", "6.0.5") + text("tool_version", "100.9.4"))
    for collection in store[db]:
        out += document(text("db", db) + text("collection", collection) + text("metadata", "{}")
                        + b"\x10size\0" + struct.pack("<i", 0) + text("type", "collection"))
    out += END
    for collection, values in store[db].items():
        say("writing `%s.%s` to `archive on stdout`" % (db, collection))
        out += head(db, collection, 0) + b"".join(document(text("v", v)) for v in values) + END
        out += head(db, collection, 1) + END
        say("done dumping `%s.%s` (%d documents)" % (db, collection, len(values)))
    sys.stdout.buffer.write(gzip.compress(out))
    sys.exit(0)

data = gzip.open(options["--archive"]).read()
at, count, failed = 4, 0, int(open(HERE + "/failures").read())
db = options["--nsInclude"][:-2]
assert "--drop" in options and "--gzip" in options


def read():
    global at
    if data[at:at + 4] == END:
        at += 4
        return None
    size = struct.unpack("<i", data[at:at + 4])[0]
    body = data[at:at + size]
    at += size
    return body


def field(body, key):
    start = body.index(b"\x02" + key.encode() + b"\0") + len(key) + 2
    size = struct.unpack("<i", body[start:start + 4])[0]
    return body[start + 4:start + 3 + size].decode()


say("preparing collections to restore from")
while read():
    pass
while at < len(data):
    header = read()
    collection = field(header, "collection")
    values = []
    while body := read():
        values.append(field(body, "v"))
    if b"\x08EOF\0\x00" in header:
        store[db][collection] = values
        count += len(values)
        say("finished restoring %s.%s (%d documents, 0 failures)" % (db, collection, len(values)))
json.dump(store, open(HERE + "/server.json", "w"))
say("%d document(s) restored successfully. %d document(s) failed to restore." % (count - failed, failed))

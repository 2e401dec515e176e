"""Judges one document with a public validator: `judge.py KIND FILE`. Exit code 0 means valid."""
import json
import re
import sys


def cyclonedx(path):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator
    from packageurl import PackageURL

    text = open(path, encoding="utf-8").read()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        return [str(error)]
    bom = json.loads(text)
    # A purl that is not written as the specification has it is another purl.
    purls = [part["purl"] for part in bom["components"] if "purl" in part]
    wrong = [p for p in purls if PackageURL.from_string(p).to_string() != p]
    return wrong if purls else ["no purl at all"]


def spdx(path):
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    document = parse_file(path)
    # This validator takes no address without a domain name; the lab's vendor has none.
    for package in document.packages:
        place = package.download_location
        if not isinstance(place, str):
            continue
        package.download_location = re.sub(r"^http://127[.]0[.]0[.]1:\d+/", "https://vendor.example/", place)
    return [message.validation_message for message in validate_full_spdx_document(document, "SPDX-2.3")]


def in_toto(path):
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement import Statement
    import in_toto_attestation.v1.statement_pb2 as statement_pb2

    raw = json.load(open(path, encoding="utf-8"))
    # An unknown field is an error for the parser.
    message = json_format.ParseDict(raw, statement_pb2.Statement())
    statement = Statement.copy_from_pb(message)
    statement.validate()
    json_format.ParseDict(raw["predicate"], Provenance())
    return []


problems = {"cyclonedx": cyclonedx, "spdx": spdx, "in-toto": in_toto}[sys.argv[1]](sys.argv[2])
print("\n".join(problems) or "valid")
sys.exit(1 if problems else 0)

#!/usr/bin/env python3
"""Unpacks the corpus of a fuzz target into a folder for libFuzzer, and packs it again.

corpus.py unpack TARGET FOLDER   makes a file for each input
corpus.py pack TARGET FOLDER     writes corpus/TARGET.jsonl of the files

A corpus has one input in each line: a JSON object with `input`, whose characters U+0000 to U+00FF are its bytes, and
`name` if a person named it. libFuzzer names the inputs that it finds by their digests; these have no name here.
"""
import hashlib
import json
import re
import sys
from pathlib import Path

FOUND = re.compile("[0-9a-f]{40}")


def unpack(corpus, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for line in corpus.read_text().splitlines():
        record = json.loads(line)
        data = record["input"].encode("latin-1")
        (folder / record.get("name", hashlib.sha1(data).hexdigest())).write_bytes(data)


def pack(corpus, folder):
    named, found = {}, set()
    for file in folder.iterdir():
        if FOUND.fullmatch(file.name):
            found.add(file.read_bytes())
        else:
            named[file.name] = file.read_bytes()
    records = [{"name": name, "input": named[name].decode("latin-1")} for name in sorted(named)]
    found = sorted(found - set(named.values()), key=lambda data: (len(data), data))
    records += [{"input": data.decode("latin-1")} for data in found]
    corpus.write_text("".join(json.dumps(record) + "\n" for record in records))


verb, target, folder = sys.argv[1:]
{"unpack": unpack, "pack": pack}[verb](Path(__file__).parent / "corpus" / f"{target}.jsonl", Path(folder))

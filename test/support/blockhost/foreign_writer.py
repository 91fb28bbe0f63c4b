"""An engine without manners: reads the database, thinks, and writes its old copy back without the lock."""

import json
import random
import sys
import time

file, seed = sys.argv[1], int(sys.argv[2])
rng = random.Random(seed)
while True:
    time.sleep(rng.uniform(0.02, 0.2))
    try:
        with open(file) as database:
            content = json.load(database)
    except (ValueError, FileNotFoundError):
        continue
    for record in content["vms"].values():
        record["gecos_synced"] = rng.random() < 0.5
    time.sleep(rng.uniform(0, 0.03))
    text = json.dumps(content)
    cut = rng.randrange(len(text))
    with open(file, "w") as database:
        database.write(text[:cut])
        database.flush()
        time.sleep(rng.uniform(0, 0.01))
        database.write(text[cut:])

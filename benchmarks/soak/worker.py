"""A worker whose epochs take a millisecond."""

import json
import sys
import time

for line in sys.stdin:
    order = json.loads(line)
    if order["type"] == "setup":
        report = {"type": "ready", "protocol": order["protocol"]}
    elif order["type"] == "run":
        x, y = order["params"]["x"], order["params"]["y"]
        time.sleep(0.001)
        epoch = {"epoch": 1, "seconds": 0.001, "metrics": {"val_loss": x * x + y * y}}
        report = {"type": "epoch", "epoch": epoch}
    elif order["type"] == "decision":
        report = {"type": "done", "end": "budget"}
    else:
        break
    print(json.dumps(report), flush=True)

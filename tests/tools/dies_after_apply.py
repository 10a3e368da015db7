#!/usr/bin/env python3
"""usage: dies_after_apply.py FLAG CONNECTOR

Is the connector, until it has applied for the first time: then whoever runs it is killed, who learns nothing of that.
FLAG is the file that says it was done.
"""
import os
import signal
import subprocess
import sys

flag, connector = sys.argv[1:]
child = subprocess.Popen([connector], stdout=subprocess.PIPE)
for line in child.stdout:
    if line.startswith(b'{"applied"') and not os.path.exists(flag):
        open(flag, "w").close()
        os.kill(os.getppid(), signal.SIGKILL)
        break
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.exit(child.wait())

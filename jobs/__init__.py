"""What runs on the cluster.

The libraries that `python -m emr package` made lie unpacked in the driver's working folder: YARN, Kubernetes and EMR
Serverless put an archive there. They come before what the cluster has; on a laptop there is no such folder.
"""

import os
import sys

LIBRARIES = "floodmark_libraries"

if os.path.isdir(LIBRARIES):
    sys.path.insert(0, os.path.abspath(LIBRARIES))

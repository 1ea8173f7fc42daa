"""usage: convert_spark.py OUT FILE...

Each Spark task writes its own files. That skips Spark's partitioned writer and
its commit, which on a local disk costs many times the conversion: this is
Spark's best case.
"""
import os
import sys

os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
here = os.path.dirname(os.path.abspath(__file__))
os.environ["PYTHONPATH"] = here

from pyspark import TaskContext
from pyspark.sql import SparkSession


def write(out):
    from fhirworks import convert

    def partition(lines):
        number = TaskContext.get().partitionId()
        outputs = {}
        for kind, version, resource in filter(None, map(convert, lines)):
            key = f"{kind}-v{version}-{number}"
            output = outputs.get(key)
            if output is None:
                output = outputs[key] = open(f"{out}/{key}.ndjson", "w", encoding="utf-8", newline="\n")
            output.write(resource)
            output.write("\n")
        for output in outputs.values():
            output.close()

    return partition


out, files = sys.argv[1], sys.argv[2:]
spark = (
    SparkSession.builder.master("local[*]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "4g")
    .config("spark.log.level", "ERROR")
    .getOrCreate()
)
spark.sparkContext.textFile(",".join("file://" + f for f in files)).foreachPartition(write(out))
spark.stop()

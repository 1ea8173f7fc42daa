"""usage: convert.py OUT FILE..."""
import gzip
import sys

from fhirworks import convert


def main(out, files):
    outputs = {}
    for name in files:
        with gzip.open(name, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                converted = convert(line)
                if converted is None:
                    continue
                kind, version, resource = converted
                key = kind + "-v" + version
                output = outputs.get(key)
                if output is None:
                    output = outputs[key] = open(f"{out}/{key}.ndjson", "w", encoding="utf-8", newline="\n")
                output.write(resource)
                output.write("\n")
    for output in outputs.values():
        output.close()


main(sys.argv[1], sys.argv[2:])

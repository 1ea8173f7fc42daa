"""usage: convert_duckdb.py OUT FILE...

Filters and splits. The values stay tagged: SQL has no recursion over a JSON
value of unknown depth, so this is not a complete peer.
"""
import sys

import duckdb

out, files = sys.argv[1], sys.argv[2:]
duckdb.execute(
    f"""
    COPY (
        SELECT json_extract_string(json, '$.Item.resourceType.S') AS type,
               json_extract_string(json, '$.Item.vid.N') AS version,
               json_extract(json, '$.Item') AS item
        FROM read_ndjson_objects({files!r})
        WHERE json_extract_string(json, '$.Item.documentStatus.S') <> 'PENDING'
    ) TO '{out}/duckdb' (FORMAT json, PARTITION_BY (type, version))
    """
)
